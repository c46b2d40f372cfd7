"""What a model is opened with."""

from dataclasses import dataclass, field
from decimal import Decimal

from domain.errors import UserError
from domain.usage.prices import PriceList

DEFAULT_MAX_CONNECTIONS = 1024
DEFAULT_MAX_BODY_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class SettingNames:
    """What a person sets to name a model and to reach it, for sentences that say what is wrong with it."""

    model: str = "LLM_MODEL"
    api_key: str = "LLM_API_KEY"
    api_base: str = "LLM_API_BASE"


_FIRST = SettingNames()


@dataclass(frozen=True, slots=True)
class LLMSettings:
    """One model and how to reach it.

    Attributes:
        model: `provider/model`, as LiteLLM names it.
        api_key: the provider's key.
        api_base: the provider's address, where it is not the usual one.
        attempt_timeout_seconds: the time for one attempt; `RecordingModel` is what enforces it.
        max_connections: connections open at a time; at least what is allowed in flight, or attempts wait for one
            on their own time.
        max_body_bytes: an answer longer than this is no usable answer.
        input_cost_per_token, output_cost_per_token: US dollars, both or none; they win over the price map.
        prices: those of a file; they win over all others.
        temperature: how free the model is; None = as the provider has it (some models refuse any other value).
        json_mode: ask for a JSON object wherever the provider can be asked.
        names: where all of this is set; two models that differ in nothing else are one.

    Raises:
        UserError: values that do not go together.
    """

    model: str
    api_key: str | None = field(default=None, repr=False)
    api_base: str | None = None
    attempt_timeout_seconds: float = 60.0
    max_connections: int = DEFAULT_MAX_CONNECTIONS
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    input_cost_per_token: Decimal | None = None
    output_cost_per_token: Decimal | None = None
    prices: PriceList | None = field(default=None, compare=False, repr=False)
    temperature: float | None = None
    json_mode: bool = True
    names: SettingNames = field(default=_FIRST, compare=False, repr=False)

    def __post_init__(self) -> None:
        if (self.input_cost_per_token is None) != (self.output_cost_per_token is None):
            raise UserError(
                "Only one of the two prices of the model is set.",
                "Set LLM_INPUT_COST_PER_TOKEN and LLM_OUTPUT_COST_PER_TOKEN, or neither.",
            )
        if self.api_base is not None and not self.api_base.startswith(("http://", "https://")):
            raise UserError(
                f"{self.names.api_base} is no http address.", "Give it as http://host[:port]/path or https://host/path."
            )

    @property
    def told(self) -> str:
        """The model's name for a sentence; where it is not LLM_MODEL's, who names it stands beside it."""
        return self.model if self.names.model == _FIRST.model else f"{self.model} ({self.names.model})"

    @property
    def provider(self) -> str:
        """What stands before the first slash of the model's name."""
        return self.model.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Target:
    """A model's name, taken apart as LiteLLM does it: `provider` and `model` (which may hold slashes itself)."""

    provider: str
    model: str

    @property
    def name(self) -> str:
        """The full name, the provider always in front."""
        return f"{self.provider}/{self.model}"
