"""What a message on `llm.calls` tells of, as the harness reads it: by a way of its own, not by the consumer's."""

import json

import pytest

from tests.chaos.sightings import call_in
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
