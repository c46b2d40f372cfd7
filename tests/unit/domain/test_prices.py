"""Price files: what a call costs by them, and what is said of those that are none."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UserError
from domain.usage.prices import PriceList, TokenPrices, read_prices

OLD = {"model": "m", "valid_from": "2024-01-01", "input": "0.000004", "output": "0.00001"}
NEW = {"model": "m", "valid_from": "2025-01-01", "input": "0.000002", "cached_input": "0.000001", "output": "0.000005"}


def listed(*entries: dict[str, object]) -> PriceList:
    return read_prices({"prices": list(entries)}, "The file")


def priced_at(prices: PriceList, *moment: int, model: str | None = "m", request_model: str = "p/m"):
    return prices.at(datetime(*moment, tzinfo=UTC), "p", model, request_model)  # type: ignore[misc]


def test_each_price_holds_from_its_date_until_the_next_whatever_the_order_in_the_file():
    prices = listed(NEW, OLD)
    assert priced_at(prices, 2023, 12, 31, 23, 59) is None
    before, after = priced_at(prices, 2024, 12, 31, 23, 59), priced_at(prices, 2025, 1, 1)
    assert before is not None
    assert after is not None
    assert (before.input, after.input) == (Decimal("0.000004"), Decimal("0.000002"))


def test_cached_and_reasoning_cost_what_input_and_output_do_where_nothing_is_said():
    prices = priced_at(listed(OLD), 2024, 6, 1)
    assert prices is not None
    assert prices.cost(100, 10, 60, 7) == prices.cost(100, 10)


@given(*[st.integers(0, 10_000)] * 4)
def test_every_token_is_paid_once_at_the_price_of_what_it_is(fresh: int, cached: int, answer: int, thought: int):
    prices = TokenPrices(datetime(2024, 1, 1, tzinfo=UTC), Decimal(2), Decimal(1), Decimal(8), Decimal(5))
    cost = prices.cost(fresh + cached, answer + thought, cached, thought)
    assert cost == 2 * fresh + cached + 8 * answer + 5 * thought


def test_the_model_that_answered_counts_before_the_one_asked_for_and_a_provider_before_none():
    entries = [dict(OLD, model=name, input=f"0.{place}e-5") for place, name in enumerate(("q", "m", "p/m"), start=1)]
    prices = listed(*entries)

    def found(**call: str | None) -> Decimal:
        one = priced_at(prices, 2024, 6, 1, **call)  # type: ignore[arg-type]
        assert one is not None
        return one.input

    assert found(model="m", request_model="p/q") == Decimal("0.3e-5")
    assert found(model=None, request_model="p/q") == Decimal("0.1e-5")
    assert found(model="m-2026-01-01", request_model="p/m") == Decimal("0.3e-5")
    assert priced_at(prices, 2024, 6, 1, model="x", request_model="p/y") is None


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ([], "object"),
        ({}, "prices"),
        ({"prices": []}, "empty"),
        ({"prices": [dict(OLD, input=-1)]}, "input"),
        ({"prices": [dict(OLD, input=True)]}, "input"),
        ({"prices": [dict(OLD, input="NaN")]}, "input"),
        ({"prices": [dict(OLD, input="1")]}, "more than"),
        ({"prices": [dict(OLD, input="0.0000000000001")]}, "places"),
        ({"prices": [dict(OLD, valid_from="yesterday")]}, "valid_from"),
        ({"prices": [dict(OLD, valid_from="2024-01-01T00:00:00")]}, "offset"),
        ({"prices": [dict(OLD, cached="0.1")]}, "cached"),
        ({"prices": [OLD, dict(OLD, valid_from="2024-01-01T00:00:00Z")]}, "two prices of m"),
    ],
)
def test_what_is_no_price_file_is_one_sentence(content: object, word: str):
    with pytest.raises(UserError, match=word) as caught:
        read_prices(content, "The file")
    assert "\n" not in caught.value.message
