"""Inputs that were set aside for a budget are sent again, as `feedback dead-letters replay` would send them."""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime

from adapters.kafka.dead_letters import DeadLetterTopic
from domain.dead_letters.register import Filter, Known
from domain.dead_letters.replay import NO_TOPIC
from domain.delivery.pauses import Pauses
from domain.errors import BrokerUnavailableError, BudgetExhaustedError, FeedbackError, UserError
from domain.ports import EventPublisher
from runtime.replaying import Replaying
from schemas.topics import RECORDS, REQUESTS

logger = logging.getLogger(__name__)

_SOURCES = frozenset({RECORDS.name, REQUESTS.name})
"""What workers read. Nothing is sent anywhere else, whatever a dead letter says."""


class SetAsideInputs:
    """Fulfils `domain.usage.pausing.SetAside` on the topic of dead letters."""

    def __init__(self, topic: DeadLetterTopic, publisher: EventPublisher) -> None:
        self._topic = topic
        self._publisher = publisher

    async def send_again(self, tenants: Mapping[str, datetime], paused: Pauses) -> int:
        """See the port. What was sent again before, by whomever, is known by what stands on the topics of inputs.

        Raises:
            BrokerUnavailableError: not all could be sent: Kafka is away, or does not let us read or write there.
        """

        def due(known: Known) -> bool:
            tenant = known.tenant_id or ""
            waits = known.source[0] in _SOURCES and known.failed_at >= tenants[tenant]
            return waits and not paused.is_paused(tenant, known.operation or "")

        if not tenants:
            return 0
        replaying = Replaying(self._topic)
        try:
            await replaying.prepare(Filter(reason=BudgetExhaustedError.reason, tenants=tenants.keys()), due)
            await replaying.carry_out(nullcontext(self._publisher))
        except (UserError, BrokerUnavailableError) as error:
            raise BrokerUnavailableError(_told(error)) from error
        for sentence in replaying.plan.refusals():
            logger.warning("Of what was not answered for a budget, %s", sentence)
        if unseen := replaying.plan.impossible.get(NO_TOPIC):
            raise BrokerUnavailableError(
                f"{len(unseen):,} inputs that were not answered for a budget wait for a topic that is not there, or "
                "not for this client."
            )
        return replaying.replayed


def _told(error: FeedbackError) -> str:
    remedy = f" {error.remedy}" if isinstance(error, UserError) else ""
    return (
        f"What was not answered for a budget that is no longer spent cannot be sent again: {error.message}{remedy} "
        f"`feedback dead-letters replay --reason {BudgetExhaustedError.reason}` does it by hand."
    )
