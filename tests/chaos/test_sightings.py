"""What messages tell of, as the harness reads them: by a way of its own, not by the consumer's."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.cloudevents import deterministic_id
from schemas.topics import ANALYSES
from tests.builders import TENANT
from tests.chaos.evidence import Input
from tests.chaos.sightings import Sightings, call_in
from tests.usage_support import llm_call

GOOD = json.loads(llm_call().to_bytes())


@pytest.mark.parametrize("figure", [10**15, 2**63, "1e30", 10**400])
def test_figures_beyond_reason_count_as_untold(figure):
    call = call_in(json.dumps(GOOD | {"output_tokens": figure}).encode())
    assert call is not None
    assert (call.call_id, call.input_tokens) == (GOOD["call_id"], 900)
    assert call_in(json.dumps(GOOD | {"cost_usd": "1e400"}).encode()).cost_usd is None


@pytest.mark.parametrize("value", [None, b"", b"null", b"[" * 5_000, json.dumps(GOOD | {"cost_usd": "NaN"}).encode()])
def test_what_is_no_call_tells_of_none(value):
    assert call_in(value) is None


def a_part(number: int) -> Input:
    return Input(("feedback.requests", 0, number), f"part-{number}", TENANT, ("analyze",), "", answers="whole")


def told(ce_type: str, **fields: Any) -> SimpleNamespace:
    value = json.dumps({"tenant_id": TENANT, "request_id": "asked"} | fields).encode()
    headers = [("ce_type", ce_type.encode())]
    return SimpleNamespace(topic=ANALYSES.name, partition=0, offset=0, timestamp=7_000, headers=headers, value=value)


ANSWER = told("feedback.analysis.completed", result_id=str(deterministic_id("whole", "analyze")))


def test_one_result_answers_all_parts_of_a_request_whether_it_is_read_before_they_are_known_or_after():
    sightings = Sightings(None, None)
    sightings.expect(a_part(1))
    assert sightings.open == {"part-1": {"analyze"}}
    sightings._take([ANSWER])
    sightings.expect(a_part(2))
    sightings.expect(a_part(2))
    assert not sightings.open
    assert sightings.latest == {a_part(1).place: 7.0, a_part(2).place: 7.0}


def test_news_of_progress_are_no_outcomes():
    sightings = Sightings(None, None)
    sightings.expect(a_part(1))
    sightings._take([told("feedback.analysis.progressed", stage="map")])
    assert (sightings.progress, sightings.results, sightings.open) == (1, [], {"part-1": {"analyze"}})
