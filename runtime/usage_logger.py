"""The public door for other LiteLLM programs: `FeedbackUsageLogger` publishes their calls as LLMCall events.

    import litellm
    from runtime.usage_logger import FeedbackUsageLogger
    litellm.callbacks = [FeedbackUsageLogger(default_tenant="water-office")]

LiteLLM's proxy: `litellm_settings: {callbacks: runtime.usage_logger.proxy_logger}`. docs/producers.md says the rest.
Nothing is read from the environment, and nothing connects, before the first event; then both happen in the background.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from adapters.kafka.background import CAPACITY, DELIVERY_SECONDS, EXIT_SECONDS
from adapters.kafka.connection import KafkaConnection
from adapters.llm.usage_logger import Naming, UsageLogger
from domain.errors import UserError
from domain.usage.prices import PriceList
from runtime.kafka_security import kafka_security
from runtime.price_file import load_prices
from runtime.settings import load_some_settings
from schemas.topics import LLM_CALLS


class FeedbackUsageLogger(UsageLogger):
    """A LiteLLM callback that publishes one LLMCall event for each attempt of a program.

    Args:
        kafka: any of our Kafka settings, by their names: `kafka_bootstrap_servers="host:9092"`,
            `kafka_security_protocol="SASL_SSL"` and so on. Those that are not given come from the environment
            (KAFKA_BOOTSTRAP_SERVERS, ...).
        default_tenant: the tenant of calls that name none, in their metadata or by a proxy's key.
        default_operation: the operation of calls that name none; None: what was called: completion, embedding, ...
        tenant_of_key: on a proxy whose clients are not to name a tenant: it is whose key they used, whatever they say.
        prices_file: dated prices, which win over LiteLLM's; the environment's PRICES_FILE where None.
        topic: where the events go.
        capacity: events that may wait for Kafka; more are dropped, and counted in `dropped`.
        delivery_seconds: the time for one event, once Kafka has answered.
        exit_seconds: how long the end of the program waits for events that are not sent yet.
    """

    def __init__(
        self,
        *,
        default_tenant: str = "unknown",
        default_operation: str | None = None,
        tenant_of_key: bool = False,
        prices_file: Path | str | None = None,
        topic: str = LLM_CALLS.name,
        capacity: int = CAPACITY,
        delivery_seconds: float = DELIVERY_SECONDS,
        exit_seconds: float = EXIT_SECONDS,
        **kafka: object,
    ) -> None:
        wrong = [name for name in kafka if not name.startswith("kafka_")]
        if wrong:
            raise TypeError(f"FeedbackUsageLogger has no argument {wrong[0]}")
        super().__init__(
            partial(_connection, kafka),
            Naming(default_tenant, default_operation, tenant_of_key),
            _prices(prices_file),
            topic,
            capacity=capacity,
            delivery_seconds=delivery_seconds,
            exit_seconds=exit_seconds,
        )


def _connection(given: dict[str, object]) -> KafkaConnection:
    """How to reach Kafka, by arguments and environment.

    Raises:
        UserError: there is no address, or the settings do not go together.
    """
    settings = load_some_settings("kafka_", **given)
    if not settings.kafka_bootstrap_servers:
        raise UserError("KAFKA_BOOTSTRAP_SERVERS is not set.", "Set it, or give kafka_bootstrap_servers.")
    return KafkaConnection(
        settings.kafka_bootstrap_servers, kafka_security(settings), plaintext_anywhere=settings.kafka_allow_plaintext
    )


def _prices(given: Path | str | None) -> Callable[[], PriceList | None]:
    def load() -> PriceList | None:
        file = Path(given) if given is not None else load_some_settings("prices_").prices_file
        return None if file is None else load_prices(file)

    return load


proxy_logger = FeedbackUsageLogger(tenant_of_key=True)
"""For a proxy's configuration: everything from the environment, the tenant by the key."""
