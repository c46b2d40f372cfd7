"""Requests over many records, through the real worker on a real broker: one LLM call for each, one outcome."""

import json

import pytest

from schemas.requests import AnalysisRequested
from schemas.results import RecordsSummarized
from schemas.topics import ANALYSES, LLM_CALLS, REQUESTS, SUMMARIES
from tests.builders import a_summary_request
from tests.integration.crm_support import a_crm
from tests.integration.system_support import ROOT, json_lines

SAMPLES = json_lines(ROOT / "samples" / "requests.jsonl")


@pytest.fixture
async def crm(system_kafka):
    async with a_crm(system_kafka, "requests") as crm:
        yield crm


async def test_each_sample_request_gets_its_analysis_and_a_summary_its_themes_for_one_call(crm):
    ids = {
        request["request_id"]: await crm.send(request, key=request["request_id"].encode(), topic=REQUESTS.name)
        for request in SAMPLES
    }
    summary = json.loads(a_summary_request().to_bytes())
    summarised = await crm.send(summary, key=summary["request_id"].encode(), topic=REQUESTS.name)

    assert len(ids) >= 2
    for request in SAMPLES:
        asked = AnalysisRequested.model_validate(request)
        message = await crm.outcome(ids[asked.request_id], "analyze")
        analysis = json.loads(message.value)
        assert (message.topic, message.key) == (ANALYSES.name, asked.request_id.encode())
        assert (analysis["tenant_id"], analysis["request_id"]) == (asked.tenant_id, asked.request_id)
        assert analysis["records_given"] == analysis["records_used"] == len(asked.records)
        assert analysis["answer"] == f"{len(asked.records)} records were read."
        assert analysis["disclaimer"]

    message = await crm.outcome(summarised, "summarize_aggregate")
    found = RecordsSummarized.model_validate_json(message.value)
    assert (message.topic, message.key) == (SUMMARIES.name, found.request_id.encode())
    assert [theme.record_ids for theme in found.themes] == [("a",)]

    calls = [json.loads(message.value) for message in await crm.outcomes.all(LLM_CALLS.name)]
    assert sorted(call["request_id"] for call in calls) == sorted([*ids, summary["request_id"]])
    operations = {("analyze", 1, "ok"), ("summarize_aggregate", 1, "ok")}
    assert {(call["operation"], call["attempt"], call["status"]) for call in calls} == operations
    assert dict(crm.provider.tally.by_task) == {"analyze": len(ids), "summarize_aggregate": 1}
