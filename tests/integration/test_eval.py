"""`feedback eval`: labelled records in, figures out, with nothing else running."""

import json
import re
import signal

import pytest

from tests.integration.run_support import a_file
from tests.integration.system_support import ROOT, eventually, feedback, json_lines
from tests.llm_server import LLMServer, running_llm_server

SAMPLES = ROOT / "samples"
FRAMEWORKS = [SAMPLES / "frameworks" / f"{tenant}.json" for tenant in ("red-river-relief", "harbour-aid")]
EVAL_JSON = {
    "leaf", "levels", "coverage", "calls_per_record", "input_tokens_per_record", "cost_usd_per_1000", "seconds_per_1000"
}  # fmt: skip


@pytest.fixture
def eval_says(feedback_says):
    """Runs `feedback eval` over the samples' frameworks."""
    frameworks = [word for file in FRAMEWORKS for word in ("--framework", file)]
    return lambda records, *more, **env: feedback_says("eval", "--records", records, *frameworks, *more, **env)


def test_the_samples_with_the_offline_model(eval_says, tmp_path):
    out = tmp_path / "out"
    chosen = ("--label", "expected_code", "--where", "language=en", "--limit", 30, "--out", out)
    said = eval_says(SAMPLES / "records.jsonl", *chosen)
    assert said.code == 0, said
    assert "any of up to 3 codes (top-3)" in said.out
    assert said.out.splitlines()[-1].startswith("eval: records=30 done=30 failed=0 llm_calls=30 top1=0.")
    assert {file.name for file in out.iterdir()} == {"eval.json", "eval.png", "predictions.jsonl"}
    figures = json.loads((out / "eval.json").read_text())
    assert set(figures) >= EVAL_JSON
    assert 0.5 <= figures["leaf"]["top1"] <= figures["leaf"]["top3"] <= 1
    assert figures["coverage"]["100"] == figures["leaf"]["top1"]
    thresholds = dict(re.findall(r"surest (\d+) % .* (0\.\d+) *\n", said.out))
    for mark, sure in figures["confidence_at_coverage"].items():  # a record as sure as that passes such a threshold
        assert sure is None or sure - 0.0001 < float(thresholds[mark]) <= sure
    assert set(figures["levels"]) == {"1", "2", "3"}
    assert (figures["calls_per_record"], figures["cost_usd_per_1000"]) == (1.0, 0.0)
    assert {one["tenant_id"] for one in figures["frameworks"]} == {"red-river-relief", "harbour-aid"}
    assert (out / "eval.png").read_bytes().startswith(b"\x89PNG")
    answers = json_lines(out / "predictions.jsonl")
    contents = [json.loads(line)["content"] for line in (SAMPLES / "records.jsonl").read_text().splitlines()]
    assert len(answers) == 30
    assert not [content for content in contents if content in (out / "predictions.jsonl").read_text()]

    again = eval_says(SAMPLES / "records.jsonl", *chosen)
    again.assert_one_sentence("holds an earlier evaluation: eval.json", "--overwrite")


def test_mistakes_are_found_before_a_model_is_asked(eval_says, tmp_path):
    records = a_file(
        tmp_path / "records.jsonl",
        {"id": "1", "tenant_id": "harbour-aid", "content": "Where do I register?", "metadata": {"codes": "nowhere"}},
    )
    eval_says(records).assert_one_sentence("no label under `metadata.codes` is the id of a code", "--label")
    eval_says(records, "--label", "code").assert_one_sentence("no record has anything under `code`")
    eval_says(records, "--where", "language").assert_one_sentence("language is not FIELD=VALUE")
    eval_says(tmp_path / "none.jsonl").assert_one_sentence("none.jsonl cannot be read")
    (tmp_path / "file").touch()
    labelled = ("--label", "expected_code", "--limit", 1)
    in_the_way = eval_says(SAMPLES / "records.jsonl", *labelled, "--out", tmp_path / "file" / "out")
    in_the_way.assert_one_sentence("cannot be written to", "--out")
    wrong = eval_says(SAMPLES / "records.jsonl", *labelled, "--model", "offline/other", "--out", tmp_path / "out")
    wrong.assert_one_sentence("There is no model offline/other")
    assert not list((tmp_path / "out").iterdir())


def test_only_the_records_that_fit_where_need_a_framework(feedback_says):
    one = ("--framework", FRAMEWORKS[0], "--label", "expected_code", "--model", "offline/semantic", "--limit", 2)
    samples = ("eval", "--records", SAMPLES / "records.jsonl", *one)
    said = feedback_says(*samples, "--where", "tenant_id=red-river-relief")
    assert said.code == 0, said
    assert not [line for line in said.err.splitlines() if line.startswith("feedback:")]
    assert said.out.splitlines()[-1].startswith("eval: records=2 done=2 failed=0 ")
    feedback_says(*samples).assert_one_sentence("77 of 154 records have no coding framework", "harbour-aid")
    feedback_says(*samples, "--where", "tenant_id=nobody").assert_one_sentence("No record of ", "fits every --where")


def test_another_organisations_framework_is_a_mistake_though_some_records_fit_no_code(feedback_says, tmp_path):
    record = {"tenant_id": "harbour-aid", "content": "The tap is dry."}
    labels = (None, "water.supply.dry", "water.supply.queue")
    lines = [{"id": str(at), **record, "metadata": {"codes": label}} for at, label in enumerate(labels)]
    files = ("--records", a_file(tmp_path / "records.jsonl", *lines), "--framework", FRAMEWORKS[1])
    said = feedback_says("eval", *files, "--model", "offline/semantic")
    said.assert_one_sentence(
        "no label under `metadata.codes` is the id of a code",
        "(the first stands on line 2: water.supply.dry)",
        "Give the framework that the labels belong to with --framework",
    )


def test_ids_that_stand_twice_are_said(eval_says, tmp_path):
    same = {"id": "7", "tenant_id": "harbour-aid", "metadata": {"codes": "question.legal.registration"}}
    records = a_file(
        tmp_path / "records.jsonl", {**same, "content": "Where do I register?"}, {**same, "content": "And my child?"}
    )
    said = eval_says(records, "--model", "offline/semantic")
    assert said.code == 0, said
    assert "feedback: 1 record id stands on more than one line: 7 (lines 1, 2)." in said.err


def test_an_empty_name_of_an_operation_is_called_that(eval_says):
    eval_says(SAMPLES / "records.jsonl", "--operations", "").assert_one_sentence("An empty name is not among the oper")
    two = eval_says(SAMPLES / "records.jsonl", "--operations", "summarize,sumarize")
    two.assert_one_sentence(" sumarize is not among the operations: assign_codes")


async def test_what_is_broken_off_shows_what_there_is(tmp_path):
    """A provider that leaves one record hanging: the other one counts, and what its call cost."""
    labels = {"tenant_id": "harbour-aid", "metadata": {"codes": "question.legal.registration", "x": "canary-7c1f"}}
    records = a_file(
        tmp_path / "records.jsonl",
        {"id": "canary-1", "content": "Where do I register?", **labels},
        {"id": "canary-2", "content": "Who registers my child? [[hang]]", **labels},
    )
    async with running_llm_server(LLMServer()) as provider:
        settings = {"LLM_API_BASE": provider.base_url, "LLM_API_KEY": "sk-test", "LLM_MODEL": "openai/gpt-4o-mini"}
        out = tmp_path / "out"
        arguments = ("eval", "--records", records, "--framework", FRAMEWORKS[1], "--out", out)
        async with feedback(*arguments, cwd=tmp_path, **settings) as run:
            await run.says("1 of 2 records")
            await eventually(lambda: provider.tally.attempts == 2)
            assert await run.ends(signal.SIGINT) == 1, run.out + run.errors
        asked = json.dumps([seen.body for seen in provider.requests])
    assert "Broken off: these are the figures of 1 of 2 records." in run.out
    assert "Where do I register?" in asked
    assert "canary" not in asked
    assert "question.legal.registration" not in asked
    figures = json.loads((out / "eval.json").read_text())
    assert (figures["records"], figures["evaluated"], figures["complete"]) == (2, 1, False)
    # The call that the person cut off is no failure of the provider's, and no call of the record that was answered.
    assert (figures["calls"], figures["failed_calls"], figures["calls_per_record"]) == (1, 0, 1.0)
    assert (figures["unpriced_calls"], figures["input_tokens_per_record"] > 0) == (0, True)
    assert float(figures["known_cost_usd"]) == float(provider.tally.cost_usd) > 0
    assert figures["cost_usd_per_1000"] == pytest.approx(1000 * float(provider.tally.cost_usd))
    assert figures["unanswered"] == {"records": 1, "calls": 1, "known_cost_usd": "0"}
    assert [answer["record_id"] for answer in json_lines(out / "predictions.jsonl")] == ["canary-1"]
    assert "1 of 2 records were answered; the others are in no figure and no file. 1 LLM call was begun" in run.out
    assert "eval: records=2 done=1 failed=0 llm_calls=1 " in run.out
