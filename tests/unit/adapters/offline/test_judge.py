"""Judgements by likeness, through the product's own prompt and parser."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from adapters.offline.engine import Engine
from domain.operations import judge
from domain.operations.judge import Judgement
from domain.operations.retelling import kind_of, retold
from schemas.results import CodesAssigned, RecordSummarized, Result, SensitivityDetected
from tests.builders import NOON, TENANT

SENTENCES = (
    "The tap at the school has been dry for a week.",
    "Nobody has come to repair the pump.",
    "Children walk to the river for water.",
    "The queue at the clinic takes all day.",
    "Thanks.",
)
ABUSE = "The man with the list asks girls for sex before he writes their names down."


def judged(engine: Engine, result: Result, *records: str) -> Judgement:
    prompt = judge.prompt(kind_of(result), retold(result), records)
    return judge.parse(engine.answer(prompt.system, prompt.user))


def a_result(kind: type[Result], **fields: object) -> Result:
    made = {"result_id": "bae3fcdb-766d-5a0a-b2ab-7d1262338f81", "tenant_id": TENANT, "completed_at": NOON}
    made |= {"invocation_id": "6f4d2c1e-5b87-4f36-8f57-0d2c8f6f7c55", "model": "m", "prompt_version": "v"}
    return kind.model_validate({**made, "record_id": "r", **fields})


def a_summary(title: str, *bullets: str) -> Result:
    return a_result(RecordSummarized, title=title, bullets=bullets)


def an_empty_screening() -> Result:
    return a_result(SensitivityDetected, sensitive=False, findings=())


def an_abstention() -> Result:
    common = {"framework_id": "f", "framework_version": "1", "codes": ()}
    return a_result(CodesAssigned, **common, abstained_because="Nothing in the framework is close to what it says.")


def test_what_says_the_same_is_faithful_and_complete_however_many_sentences_it_has(engine: Engine) -> None:
    for count in range(1, len(SENTENCES) + 1):
        first, *others = SENTENCES[:count]
        result = a_summary(first, *others)
        assert judged(engine, result, *SENTENCES[:count]).score >= 0.95


def test_what_leaves_things_out_is_faithful_alone_and_what_is_made_up_is_neither(engine: Engine) -> None:
    short = judged(engine, a_summary(SENTENCES[0]), *SENTENCES)
    assert short.faithfulness == 1.0
    assert short.coverage < 0.8
    made_up = judged(engine, a_summary("The election was won by the blue party."), *SENTENCES)
    assert made_up.faithfulness < 0.5
    assert made_up.coverage < short.coverage


def test_an_empty_screening_is_as_good_as_the_record_is_harmless(engine: Engine) -> None:
    assert judged(engine, an_empty_screening(), SENTENCES[0]) == Judgement(1.0, 1.0, 1.0)
    missed = judged(engine, an_empty_screening(), f"{SENTENCES[0]} {ABUSE}")
    assert max(missed.faithfulness, missed.coverage) < 0.4


def the_samples(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"samples/{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("held_out", [False, True])
def test_empty_screenings_of_harmless_sentences_fare_better_than_others(engine: Engine, held_out: bool) -> None:
    ours = [each for each in the_samples("screening") if each["held_out"] is held_out]
    harmless, sensitive = (
        [judged(engine, an_empty_screening(), each["content"]).score for each in ours if bool(each["types"]) is wanted]
        for wanted in (False, True)
    )
    assert mean(harmless) > mean(sensitive) + 0.4


def test_a_coding_that_abstains_is_as_good_as_the_record_is_small_talk(engine: Engine) -> None:
    none, some = (
        [judged(engine, an_abstention(), each["content"]).score for each in the_samples("records") if fits(each)]
        for fits in (lambda each: each["expected_code"] is None, lambda each: each["expected_code"] is not None)
    )
    assert mean(none) > mean(some) + 0.5
    assert judged(engine, an_abstention(), "Hello. Sorry, I dialled a wrong number.").score > 0.9


def test_only_a_screening_and_a_coding_say_nothing_by_these_words(engine: Engine) -> None:
    """A summary in the same words is a summary."""
    assert judged(engine, a_summary("Nothing sensitive."), SENTENCES[0]).faithfulness < 0.5
