"""The usage report as it travels: names, order, money."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from domain.usage.report import OperationUsage, TenantUsage, View, plain

NUMBERS = {"avg", "min", "max", "p5", "p50", "p95", "total"}
VIEW = {"total", "failed", "unpriced", "cost_usd", "failed_cost_usd", "duration_ms", "input_tokens", "output_tokens"}


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("0E-12", "0"),
        ("0.000000000001", "0.000000000001"),
        ("1E+2", "100"),
        ("100", "100"),
        ("2.500000000000", "2.5"),
        ("123456789012345678.000000000001", "123456789012345678.000000000001"),
    ],
)
def test_money_is_a_plain_decimal(amount, text):
    assert plain(Decimal(amount)) == text


def test_the_answer_has_the_documented_fields_in_their_order():
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    view = View(total=1, cost_usd=Decimal("0.10"))

    tenant = TenantUsage(tenant_id="red-cross", start=moment, end=moment, llm_calls=view).model_dump(by_alias=True)
    operation = OperationUsage(operation=None, start=moment, end=moment).model_dump(by_alias=True)

    assert list(tenant) == ["tenant_id", "from", "to", "llm_calls", "invocations"]
    assert list(operation) == ["operation", "from", "to", "llm_calls", "invocations"]
    assert set(tenant["llm_calls"]) == VIEW
    assert set(tenant["llm_calls"]["duration_ms"]) == NUMBERS
    assert (tenant["llm_calls"]["cost_usd"], tenant["invocations"]["cost_usd"]) == ("0.1", "0")
