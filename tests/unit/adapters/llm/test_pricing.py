"""Usage that can be believed, and exact money."""

import warnings
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.llm.litellm_setup import litellm
from adapters.llm.pricing import PriceBook, Reading, read_usage
from domain.llm.calls import Cost, Usage
from domain.usage.prices import read_prices
from schemas.llm_calls import MAX_TOKENS


def told(spent: object, written: object, cached: object = None, reasoning: object = None) -> dict[str, object]:
    usage: dict[str, object] = {"prompt_tokens": spent, "completion_tokens": written, "total_tokens": 0}
    if cached is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage


def book(model: str = "gpt-4o-mini", provider: str = "openai", **more: object) -> PriceBook:
    return PriceBook(litellm(), model, provider, **more)  # type: ignore[arg-type]


def price(prices: PriceBook, usage: dict[str, object] | None, answered_by: str | None = None) -> Cost:
    payload = {"model": answered_by or "gpt-4o-mini", "usage": usage}
    return prices.cost(read_usage(usage), answered_by, lambda: prices.whole_cost_of(payload))


def test_usage_is_read_with_its_details() -> None:
    assert read_usage(told(100, 20, 60, 5)) == Reading(Usage(100, 20, 60, 5))
    assert read_usage({"prompt_tokens": 10, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}).usage == Usage(
        10, 2, 4
    )


@pytest.mark.parametrize(
    "usage",
    [
        told(-1, 5),
        told(True, False),
        told("many", 5),
        told(1.5, 5),
        told(10**15, 5),
        told(100, MAX_TOKENS + 1),
        told(100, 5, 101),
        told(100, 5, 0, 6),
        told(100, 5, -1),
        told(0, 5, 1),
        [1, 2],
        "none",
    ],
)
def test_usage_that_cannot_be_is_dropped_whole(usage: object) -> None:
    assert read_usage(usage) == Reading(Usage(), "implausible_usage")
    assert book().cost(read_usage(usage), None, lambda: 1.0) == Cost(None, "implausible_usage")


@pytest.mark.parametrize("usage", [None, {}, told(0, 0), told(None, None)])
def test_usage_that_is_not_told_is_missing(usage: dict[str, object] | None) -> None:
    assert read_usage(usage) == Reading(Usage(), "missing_usage")
    assert book().cost(read_usage(usage), None, lambda: 0.0) == Cost(None, "missing_usage")


def test_half_a_usage_is_kept_but_has_no_price() -> None:
    reading = read_usage(told(100, None))
    assert reading.usage == Usage(100, None)
    assert book().cost(reading, None, lambda: 1.0) == Cost(None, "missing_usage")


def test_money_is_exact() -> None:
    cost = price(book(), told(1_000_003, 7, 600_001))
    expected = Decimal("0.00000015") * 400_002 + Decimal("0.000000075") * 600_001 + Decimal("0.0000006") * 7
    assert cost == Cost(expected, "price_map")
    assert cost.usd is not None
    assert cost.usd.as_tuple().exponent == -12


@settings(deadline=None, max_examples=60)
@given(
    spent=st.integers(1, 2_000_000),
    written=st.integers(0, 200_000),
    cached=st.floats(0, 1),
    thought=st.floats(0, 1),
    model=st.sampled_from(["openai/gpt-4o-mini", "openai/gpt-5.4", "deepseek/deepseek-chat", "openai/o3-mini"]),
)
def test_prices_are_litellms(spent: int, written: int, cached: float, thought: float, model: str) -> None:
    usage = told(spent, written, int(spent * cached), int(written * thought))
    provider, name = model.split("/")
    answer = litellm().ModelResponse(model=name, usage=usage)
    theirs = litellm().completion_cost(completion_response=answer, model=name, custom_llm_provider=provider)
    prices = book(name, provider)
    ours = prices.cost(read_usage(usage), name, lambda: prices.whole_cost_of({"model": name, "usage": usage}))
    assert ours.usd is not None
    assert abs(ours.usd - Decimal(str(theirs))) <= Decimal("1e-12")


def test_above_a_threshold_litellm_is_asked() -> None:
    entry = litellm().model_cost["gpt-5.4"]
    threshold, above = 272_000, "input_cost_per_token_above_272k_tokens"
    assert above in entry
    usage = told(threshold + 1, 10)
    prices = book("gpt-5.4")
    cost = prices.cost(read_usage(usage), "gpt-5.4", lambda: prices.whole_cost_of({"model": "gpt-5.4", "usage": usage}))
    assert cost.usd is not None
    assert cost.usd > Decimal(str(entry[above])) * threshold


def test_a_model_that_the_map_does_not_know_has_no_price_and_never_0() -> None:
    assert price(book("local-test"), told(100, 5), "local-test") == Cost(None, "unknown_model")
    assert price(book(), told(100, 5), "some-fine-tune").source == "price_map"


def test_a_model_at_no_price_is_as_good_as_unknown() -> None:
    free = next(
        name
        for name, entry in litellm().model_cost.items()
        if name.startswith("ollama/") and entry.get("input_cost_per_token") == 0 and entry.get("mode") == "chat"
    )
    name = free.removeprefix("ollama/")
    assert price(book(name, "ollama"), told(100, 5), name) == Cost(None, "unknown_model")


def test_the_model_that_answered_is_the_one_that_is_billed() -> None:
    dear, cheap = price(book(), told(1000, 5), "gpt-4o"), price(book(), told(1000, 5), "gpt-4o-mini")
    assert dear.usd is not None
    assert cheap.usd is not None
    assert dear.usd > cheap.usd * 10


def test_prices_from_the_settings_win() -> None:
    prices = book("local-test", configured=(Decimal("0.000001"), Decimal("0.000002")))
    assert price(prices, told(100, 5, 50), "local-test") == Cost(Decimal("0.00011"), "configured")
    free = book("local-test", configured=(Decimal(0), Decimal(0)))
    assert price(free, told(100, 5), "local-test") == Cost(Decimal(0), "configured")


def test_a_cost_beyond_all_bounds_is_not_believed() -> None:
    prices = book("local-test", configured=(Decimal(1), Decimal(1)))
    assert price(prices, told(MAX_TOKENS, 5)) == Cost(None, "implausible_usage")


def test_many_names_of_models_do_not_fill_the_memory() -> None:
    prices = book("local-test")
    for number in range(600):
        price(prices, told(100, 5), f"model-{number}")
    assert len(prices._known) <= 256


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIGURES = ("cached_tokens", "text_tokens", "audio_tokens", "image_tokens", "reasoning_tokens")
DETAILS = st.dictionaries(st.sampled_from(FIGURES), st.integers(0, 50) | JSON_VALUES, max_size=3) | JSON_VALUES
USAGES = st.fixed_dictionaries(
    {"prompt_tokens": st.just(100) | JSON_VALUES, "completion_tokens": st.just(50) | JSON_VALUES},
    optional={
        "total_tokens": st.just(150) | JSON_VALUES,
        "prompt_tokens_details": DETAILS,
        "completion_tokens_details": DETAILS,
        "prompt_cache_hit_tokens": JSON_VALUES,
        "cache_creation_input_tokens": JSON_VALUES,
        "cost": JSON_VALUES,
        "service_tier": JSON_VALUES,
    },
)


@settings(deadline=None, max_examples=150)
@given(usage=USAGES | JSON_VALUES, tier=st.sampled_from(["default", "flex", None]) | JSON_VALUES)
def test_nothing_that_a_provider_sends_breaks_the_reading_or_the_price(usage: object, tier: object) -> None:
    prices, reading = book(), read_usage(usage, tier)
    payload = {"model": "gpt-4o-mini", "usage": usage, "service_tier": tier}
    cost = prices.cost(reading, "gpt-4o-mini", lambda: prices.whole_cost_of(payload))
    assert cost.usd is None or cost.usd >= 0


@pytest.mark.parametrize("tier", [["flex"], {"flex": 1}, 7, True])
def test_a_tier_that_is_no_text_is_not_the_usual_one(tier: object) -> None:
    assert not read_usage(told(100, 20), tier).plain


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), -1.0, "dear", [1]])
def test_a_figure_that_is_no_price_is_not_believed(figure: object) -> None:
    reading = Reading(Usage(100, 20), plain=False)
    assert book().cost(reading, None, lambda: figure).usd is None  # type: ignore[arg-type, return-value]


def test_no_warning_quotes_what_the_provider_sent() -> None:
    usage = told(100, 20) | {"cost": "PRIVATE", "prompt_tokens_details": {"audio_tokens": 5}}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        litellm.__wrapped__()  # pytest has filters of its own in each test: set ours again
        assert price(book(), usage).usd is not None
    assert not [str(warning.message) for warning in caught if "PRIVATE" in str(warning.message)]


def test_a_price_file_wins_over_all_others_at_its_time_and_for_its_models() -> None:
    entry = {"model": "gpt-4o-mini", "valid_from": "2026-01-01", "input": "0.00001", "output": "0.00002"}
    listed = read_prices({"prices": [{**entry, "cached_input": "0.000001", "reasoning": "0.00003"}]}, "The file")
    prices = book(configured=(Decimal(1), Decimal(1)), listed=listed)
    reading = read_usage(told(100, 20, 60, 5))

    def cost(year: int, answered_by: str) -> Cost:
        return prices.cost(reading, answered_by, lambda: None, datetime(year, 6, 1, tzinfo=UTC))

    by_file = 40 * Decimal("0.00001") + 60 * Decimal("0.000001") + 15 * Decimal("0.00002") + 5 * Decimal("0.00003")
    assert cost(2026, "gpt-4o-mini-2024-07-18") == Cost(by_file, "price_file")
    assert cost(2025, "gpt-4o-mini").source == "configured"
    assert prices.cost(read_usage(None), "gpt-4o-mini", lambda: None) == Cost(None, "missing_usage")
