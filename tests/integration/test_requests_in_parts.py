"""Requests over many records, in parts and in chunks, through the real worker on a real broker."""

import json

import pytest

from domain.delivery.parts import answers_of
from schemas.cloudevents import InputIdentity
from schemas.requests import AnalysisRequested
from schemas.topics import ANALYSES, LLM_CALLS, REQUESTS, SUMMARIES
from tests.builders import a_summary_request, an_analysis_request
from tests.integration.crm_support import a_crm

RECORDS = 300
PARTS = 3
WAIT_SECONDS = 2.0


@pytest.fixture
async def crm(system_kafka):
    changes = {"request_token_budget": 5_000, "parts_wait_seconds": WAIT_SECONDS}
    async with a_crm(system_kafka, "parts", **changes) as crm:
        yield crm


def records(numbers, text="The tap near the school is dry, and nobody comes."):
    """Records of 300 characters."""
    return [
        {"record_id": f"r{n}", "content": (f"{n}: {text} " + "It is so. " * 30)[:300], "created_at": DAY}
        for n in numbers
    ]


DAY = "2026-11-03T10:00:00Z"


def in_parts(request_id, of=PARTS, **fields):
    """A request for an analysis of 300 records, cut up."""
    each = RECORDS // of
    return [
        json.loads(
            an_analysis_request(
                request_id=request_id,
                records=records(range((number - 1) * each, number * each)),
                part={"number": number, "of": of},
                mode="hierarchical",
                **fields,
            ).to_bytes()
        )
        for number in range(1, of + 1)
    ]


async def send(crm, request):
    return await crm.send(request, key=request["request_id"].encode(), topic=REQUESTS.name)


def of_type(message, ce_type):
    return dict(message.headers)["ce_type"] == ce_type.encode()


def common_id(request):
    """What the ids of all parts' results derive from."""
    return answers_of(AnalysisRequested.model_validate(request), InputIdentity("", "")).event_id


async def test_three_parts_make_one_analysis_in_chunks_with_progress_and_a_missing_part_fails_those_that_came(crm):
    whole = in_parts("in-three-parts")
    for request in (whole[2], whole[0], whole[0], whole[1]):
        await send(crm, request)
    holed = in_parts("one-is-missing")
    refused = [await send(crm, holed[0]), await send(crm, holed[2])]
    summary = json.loads(a_summary_request(records=records(range(90)), mode="hierarchical").to_bytes())
    summarised = await send(crm, summary)

    message = await crm.outcome(common_id(whole[0]), "analyze")
    analysis = json.loads(message.value)
    assert (message.topic, message.key) == (ANALYSES.name, b"in-three-parts")
    assert (analysis["mode"], analysis["prompt_version"]) == ("hierarchical", "analyze.reduce.v1")
    assert analysis["records_given"] == analysis["records_used"] == RECORDS
    assert (analysis["coverage"], analysis["excluded"]) == (1.0, [])
    assert analysis["answer"] == f"{RECORDS} records were read in chunks."
    assert len(analysis["inputs"]) == PARTS

    themes = await crm.result(summarised, "summarize_aggregate")
    assert [theme["count"] for theme in themes["themes"]] == [90]
    assert themes["themes"][0]["record_ids"] == [record["record_id"] for record in summary["records"]]

    for event_id in refused:
        letter = await crm.letter(event_id, "analyze")
        assert (letter["reason"], letter["attempts"]) == ("incomplete_request", 0)
        assert "part 2 did not come" in letter["message"]
        assert len({letter["result_id"], analysis["result_id"]}) == 2

    told = await crm.outcomes.all(ANALYSES.name, SUMMARIES.name)
    results = [one for one in told if of_type(one, "feedback.analysis.completed")]
    assert len(results) == 1
    progress = [json.loads(one.value) for one in told if of_type(one, "feedback.analysis.progressed")]
    assert (progress[0]["stage"], progress[0]["done"]) == ("map", 0)
    assert (progress[-1]["stage"], progress[-1]["done"]) == ("reduce", progress[-1]["total"])
    assert {(one["request_id"], one["records_given"]) for one in progress} == {("in-three-parts", RECORDS)}
    assert any(of_type(one, "feedback.summary.progressed") for one in told)

    calls = [json.loads(one.value) for one in await crm.outcomes.all(LLM_CALLS.name)]
    ours = [call for call in calls if call["request_id"] == "in-three-parts"]
    versions = [call["prompt_version"] for call in ours]
    assert versions.count("analyze.map.v1") == analysis["chunks"] > 4
    assert versions.count("analyze.reduce.v1") == len(ours) - analysis["chunks"] == 1
    assert {(call["operation"], call["invocation_id"]) for call in ours} == {("analyze", analysis["invocation_id"])}
    assert sorted(call["attempt"] for call in ours) == list(range(1, len(ours) + 1))
