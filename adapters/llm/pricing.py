"""What an attempt took and cost: usage that can be believed, and exact money from LiteLLM's price map or a setting.

Where a cost comes from, or why there is none (`Cost.source`):

- `price_map`: LiteLLM's price map knows the model.
- `price_file`: the file of PRICES_FILE has the model, at the call's moment; it wins over all others.
- `configured`: the prices in the settings; they win over the map, for who names a price knows it better.
- `offline`: the model that ships with the project costs nothing.
- `unknown_model`: the map does not know the model, or has it at no price or at 0; unknown is never 0.
- `missing_usage`: the provider did not say what was used.
- `implausible_usage`: it said something that cannot be (negative, no whole number, more cached than read, more than
  MAX_TOKENS, ...); none of its figures is kept. Or a cost came out above MAX_COST_USD, which is not kept. The consumer
  of LLM calls holds the events of other services to the two limits.
- `no_answer`: the attempt ended without an answer. A 429, a 500 or a refused connection cost nothing as a rule, but
  what a timeout or a broken connection cost cannot be known, and the provider bills them all by rules of its own:
  so the cost of each is unknown (NULL, counted as unpriced), not 0.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from domain.llm.calls import Cost, Usage
from domain.usage.prices import PRICE_FILE, PriceList
from schemas.llm_calls import IMPLAUSIBLE_USAGE, MAX_COST_USD, MAX_TOKENS

PRICE_MAP = "price_map"
CONFIGURED = "configured"
OFFLINE = "offline"
UNKNOWN_MODEL = "unknown_model"
MISSING_USAGE = "missing_usage"
NO_ANSWER = "no_answer"

NO_COST = Cost(None, NO_ANSWER)
"""The cost of an attempt that brought no answer."""

_TWELVE_PLACES = Decimal("1e-12")
_REMEMBERED_MODELS = 256
_PROBES = ((1000, 200, 0, 0), (1000, 200, 600, 0), (1000, 200, 0, 150), (40_000, 3_000, 20_000, 1_000))
_BASE_TIERS = frozenset({"default", "standard", "auto", "on_demand"})
_THRESHOLD = re.compile(r"_above_(\d+)k_tokens")
_UNUSUAL_PRICES = ("tiered_pricing", "off_peak_pricing")
_COMPLETE = frozenset({"cached_tokens", "text_tokens", "reasoning_tokens"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a provider said of an answer's usage.

    Attributes:
        usage: the figures, where they can be believed.
        problem: MISSING_USAGE, IMPLAUSIBLE_USAGE or None.
        plain: whether the four figures are all that the price depends on (no audio, no cache writing, no other tier).
    """

    usage: Usage
    problem: str | None = None
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars a token, valid for fewer input tokens than `below`."""

    input: Decimal
    cached: Decimal
    output: Decimal
    below: int

    def of(self, usage: Usage) -> Decimal:
        """The exact cost."""
        spent, written, cached = usage.input_tokens or 0, usage.output_tokens or 0, usage.cache_read_input_tokens or 0
        return self.input * (spent - cached) + self.cached * cached + self.output * written


def read_usage(told: object, tier: object = None) -> Reading:
    """Read the `usage` of a chat completion.

    Args:
        told: as the provider sent it: a mapping in OpenAI's shape, or anything else.
        tier: the answer's `service_tier`.
    """
    if told is None:
        return Reading(Usage(), MISSING_USAGE)
    if not isinstance(told, Mapping):
        return Reading(Usage(), IMPLAUSIBLE_USAGE)
    spent, written = told.get("prompt_tokens"), told.get("completion_tokens")
    if not spent and not written and not isinstance(spent, bool):  # LiteLLM puts zeros where nothing was told
        return Reading(Usage(), MISSING_USAGE)
    read, made = _details(told.get("prompt_tokens_details")), _details(told.get("completion_tokens_details"))
    cached = read.get("cached_tokens")
    if cached is None:
        cached = told.get("prompt_cache_hit_tokens")  # DeepSeek's name for it
    thought = made.get("reasoning_tokens")
    figures = (spent, written, cached, thought)
    if not all(map(_plausible, figures)) or (cached or 0) > (spent or 0) or (thought or 0) > (written or 0):
        return Reading(Usage(), IMPLAUSIBLE_USAGE)
    usage = Usage(spent, written, cached, thought)
    others = any(value for part in (read, made) for name, value in part.items() if name not in _COMPLETE)
    base_tier = tier is None or (isinstance(tier, str) and tier in _BASE_TIERS)
    plain = base_tier and not others and not told.get("cache_creation_input_tokens")
    return Reading(usage, MISSING_USAGE if spent is None or written is None else None, plain)


def _details(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plausible(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value <= MAX_TOKENS)


class PriceBook:
    """The prices of one requested model, and of whatever models answer in its place.

    Args:
        litellm: the module.
        model, provider: as LiteLLM names the requested model, apart.
        configured: input and output price from the settings.
        listed: the prices of a file.
    """

    def __init__(
        self,
        litellm: Any,
        model: str,
        provider: str,
        configured: tuple[Decimal, Decimal] | None = None,
        listed: PriceList | None = None,
    ) -> None:
        self._litellm, self._model, self._provider, self._listed = litellm, model, provider, listed
        self._configured = None if configured is None else Rates(configured[0], *configured, below=MAX_TOKENS + 1)
        self._known: dict[str, Rates | None] = {}

    def cost(
        self,
        reading: Reading,
        answered_by: str | None,
        whole: Callable[[], float | None],
        moment: datetime | None = None,
    ) -> Cost:
        """What an answer cost.

        Args:
            reading: its usage.
            answered_by: the model that the provider named; it is the one that is billed, where the map knows it.
            whole: LiteLLM's own figure for the answer, for prices with more to them than four rates.
            moment: of the call, for dated prices; now by default.
        """
        if reading.problem is not None:
            return Cost(None, reading.problem)
        usd = self._by_list(reading.usage, answered_by, moment)
        if usd is not None:
            return cost_of(usd, PRICE_FILE)
        if self._configured is not None:
            return cost_of(self._configured.of(reading.usage), CONFIGURED)
        rates = self._rates(answered_by)
        if rates is not None and reading.plain and (reading.usage.input_tokens or 0) < rates.below:
            return cost_of(rates.of(reading.usage), PRICE_MAP)
        try:
            theirs = whole()
            usd = Decimal(str(theirs)) if theirs else None
        except Exception:  # noqa: BLE001  # LiteLLM raises bare exceptions for a model that it does not know
            usd = None
        return cost_of(usd, PRICE_MAP) if usd else Cost(None, UNKNOWN_MODEL)

    def _by_list(self, usage: Usage, answered_by: str | None, moment: datetime | None) -> Decimal | None:
        """What a call cost by the price file, whose input and output tokens are told; None where it has no price."""
        if self._listed is None:
            return None
        listed = self._listed.at(moment or datetime.now(UTC), self._provider, answered_by, self._model)
        if listed is None:
            return None
        cached, thought = usage.cache_read_input_tokens or 0, usage.reasoning_output_tokens or 0
        return listed.cost(usage.input_tokens or 0, usage.output_tokens or 0, cached, thought)

    def _rates(self, answered_by: str | None) -> Rates | None:
        name = answered_by or self._model
        if name not in self._known:
            if len(self._known) >= _REMEMBERED_MODELS:
                self._known.clear()
            self._known[name] = self._look_up(name)
        return self._known[name]

    def _look_up(self, name: str) -> Rates | None:
        """The model's rates, if four rates are all there is to its price: LiteLLM's own figures are the proof."""
        info = self._info(name)
        if info is None or any(info.get(unusual) for unusual in _UNUSUAL_PRICES):
            return None
        rates = Rates(
            _price(info, "input_cost_per_token"),
            _price(info, "cache_read_input_token_cost", "input_cost_per_token"),
            _price(info, "output_cost_per_token"),
            min((int(n) * 1000 for n in _THRESHOLD.findall(" ".join(info))), default=MAX_TOKENS + 1),
        )
        for probe in _PROBES:
            usage = Usage(*probe)
            theirs = self.whole_cost(name, usage)
            if not theirs or abs(Decimal(str(theirs)) - rates.of(usage)) > _TWELVE_PLACES:
                return None
        return rates

    def _info(self, name: str) -> Mapping[str, Any] | None:
        """The map's entry, found as LiteLLM finds it: the model that answered first, then the one asked for."""
        for candidate in (f"{self._provider}/{name}", name, self._model):
            try:
                found = self._litellm.get_model_info(model=candidate, custom_llm_provider=self._provider)
            except Exception:  # noqa: BLE001, S112  # a bare Exception means that the map has no such model
                continue
            entry: Mapping[str, Any] = self._litellm.model_cost.get(found["key"], {})
            return entry
        return None

    def whole_cost(self, answered_by: str | None, usage: Usage) -> float | None:
        """LiteLLM's figure for four plain numbers; None where it has none."""
        told = {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
            "prompt_tokens_details": {"cached_tokens": usage.cache_read_input_tokens or 0},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens or 0},
        }
        try:
            return self.whole_cost_of({"model": answered_by or self._model, "usage": told})
        except Exception:  # noqa: BLE001  # see above
            return None

    def whole_cost_of(self, payload: Mapping[str, Any]) -> float:
        """LiteLLM's figure for an answer as the provider sent it.

        Raises:
            Exception: LiteLLM has no price for it.
        """
        answer = self._litellm.ModelResponse(**payload)
        cost: float = self._litellm.completion_cost(
            completion_response=answer, model=self._model, custom_llm_provider=self._provider, call_type="acompletion"
        )
        return cost


def _price(info: Mapping[str, Any], *names: str) -> Decimal:
    return next((Decimal(str(info[name])) for name in names if info.get(name) is not None), Decimal(0))


def cost_of(usd: Decimal, source: str) -> Cost:
    """An amount as a cost; none where it cannot be: not finite, negative, above MAX_COST_USD."""
    if not usd.is_finite() or not 0 <= usd <= MAX_COST_USD:
        return Cost(None, IMPLAUSIBLE_USAGE)
    return Cost(usd.quantize(_TWELVE_PLACES, rounding=ROUND_HALF_EVEN), source)
