"""Rows of the older table as LLM calls: what can be one, and why another cannot."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.usage.adopting import NotAdoptableError, Sums, adopt, call_id_of, sums_of
from schemas.llm_calls import LLMCall

AT = datetime(2025, 3, 31, 23, 59, tzinfo=UTC)
ROW = {
    "id": "17",
    "tenant_id": "alder",
    "operation": "tag",
    "timestamp": AT,
    "call_duration_ms": Decimal("120.5"),
    "model": "openai/gpt-4",
    "input_tokens": Decimal(900),
    "output_tokens": Decimal(60),
    "cost_usd": Decimal("0.000125"),
    "status": "success",
    "error_class": None,
    "created_at": AT + timedelta(seconds=1),
}


def test_a_row_is_a_call_that_our_schema_takes():
    call = adopt(ROW, "public.old")
    told = {name: getattr(call, name) for name in LLMCall.model_fields if hasattr(call, name)}
    whole = LLMCall(**told, invocation_id=call.call_id, invocation_started_at=AT, attempt=1)
    assert (whole.provider, whole.model, whole.status, whole.cost_usd) == (
        *("openai", "openai/gpt-4", "ok"),
        Decimal("0.000125"),
    )
    assert sums_of(ROW) == Sums(1, Decimal("0.000125"), 900, 60)


def test_no_sum_is_rounded_whatever_the_amounts():
    amounts = [Decimal(amount) for amount in ("1e300", "1e-300", "0.1", "-1e300", "1e-16000")]
    there = Sums()
    for amount in amounts:
        there = there.plus(Sums(1, amount))
    assert there.minus(Sums(5, Decimal("0.1"))).minus(Sums(0, Decimal("1e-300"))) == Sums(0, Decimal("1e-16000"))
    odd = adopt(ROW | {"cost_usd": Decimal("1e-16000")}, "s")
    assert odd.cost_usd == 0
    assert odd.rounding == -Decimal("1e-16000")
    fine = Decimal("12.3456789012345678901234567890123456789")
    assert adopt(ROW | {"cost_usd": fine}, "s").rounding == Decimal("4.321098765432109876543211E-13")


def test_its_id_is_its_own_and_the_same_each_time():
    assert adopt(ROW, "public.old") == adopt(dict(ROW), "public.old")
    ids = {call_id_of(source, row) for source in ("public.old", "public.older") for row in ("1", "11", "111")}
    assert len(ids) == 6
    assert call_id_of("a", "b1") != call_id_of("ab", "1")


@pytest.mark.parametrize("status", ["ok", "OK", " success ", "Succeeded", "completed"])
def test_what_went_well(status):
    assert adopt(ROW | {"status": status}, "s").status == "ok"


@pytest.mark.parametrize("status", ["error", "ERROR", "failed", "Failure", "timeout"])
def test_what_did_not(status):
    assert adopt(ROW | {"status": status}, "s").status == "error"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "half\nway"}, "status `half?way` is not known"),
        ({"status": None}, "status null is not known"),
        ({"timestamp": None}, "timestamp is null"),
        ({"tenant_id": None}, "tenant_id is null"),
        ({"tenant_id": ""}, "tenant_id is empty"),
        ({"tenant_id": "x" * 256}, "more than 255 characters"),
        ({"operation": None}, "operation is null"),
        ({"call_duration_ms": None}, "call_duration_ms is null"),
        ({"call_duration_ms": Decimal("Infinity")}, "call_duration_ms is infinite"),
        ({"call_duration_ms": Decimal("1e13")}, "more than our table takes"),
        ({"cost_usd": Decimal("NaN")}, "cost_usd is NaN"),
        ({"cost_usd": Decimal("-0.1")}, "cost_usd is negative"),
        ({"input_tokens": Decimal("1.5")}, "input_tokens is no whole number"),
        ({"output_tokens": Decimal(-1)}, "output_tokens is negative"),
    ],
)
def test_what_cannot_be_one_says_why(changes, reason):
    with pytest.raises(NotAdoptableError, match=reason.replace("?", r"\?")):
        adopt(ROW | changes, "s")


def test_what_is_not_known_stays_unknown():
    call = adopt(ROW | dict.fromkeys(("model", "input_tokens", "output_tokens", "cost_usd", "created_at")), "s")
    assert (call.model, call.request_model, call.provider) == (None, "unknown", "unknown")
    assert (call.cost_usd, call.cost_source, call.input_tokens) == (None, None, None)
    assert call.created_at == AT + timedelta(milliseconds=120.5)


def test_figures_that_cannot_be_are_not_kept_as_with_events():
    dear = adopt(ROW | {"cost_usd": Decimal(10_001)}, "s")
    assert (dear.cost_usd, dear.input_tokens, dear.cost_source) == (None, 900, "implausible_usage")
    long = adopt(ROW | {"input_tokens": Decimal(10**30)}, "s")
    assert (long.cost_usd, long.input_tokens, long.output_tokens, long.disbelieved) == (None, None, None, True)


def test_a_cost_has_twelve_places_and_says_what_that_took():
    call = adopt(ROW | {"cost_usd": Decimal("0.0000000000015")}, "s")
    assert (call.cost_usd, call.rounding) == (Decimal("0.000000000002"), Decimal("5e-13"))
