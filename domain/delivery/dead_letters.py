"""Writing down an input that could not be answered, with its original bytes."""

import logging
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.delivery.decoding import ids_in
from domain.delivery.messages import InboundMessage
from domain.delivery.results import result_id
from domain.delivery.tally import DeadLetterTally
from domain.errors import BudgetExhaustedError, EmptyPayloadError, FeedbackError, TooLargeError
from domain.ports import EventPublisher, OutboundMessage
from schemas.cloudevents import InputIdentity, deterministic_id, headers_for, identify
from schemas.dead_letters import DeadLetter, Header
from schemas.topics import DEAD_LETTERS

logger = logging.getLogger(__name__)

INTERNAL_ERROR = "internal_error"
_LEFT_OUT = " The original is too large to be carried here: read it at its source."


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an input, or one operation on it, has no result.

    Attributes:
        reason: one of `reasons.REASONS`.
        error_class: the kind of error behind it.
        message: one sentence for a person, with at most an id of the input, and none of its text.
        operation: the operation that has no result; None for the whole input.
        attempts: how many LLM calls were made.
    """

    reason: str
    error_class: str
    message: str
    operation: str | None = None
    attempts: int = 0

    @classmethod
    def of(cls, error: BaseException, operation: str | None = None, attempts: int = 0) -> "Failure":
        """The failure that an error means. Of an error that is not ours only the class is told: its text may quote."""
        kind = type(error).__name__
        if isinstance(error, FeedbackError):
            return cls(error.reason, kind, error.message, operation, attempts)
        told = f"A fault in this program ({kind}), twice on this input; the worker's log says where."
        return cls(INTERNAL_ERROR, kind, told, operation, attempts)


class DeadLetters:
    """Publishes dead letters, whoever read the input: a worker, the catalogue of frameworks, the consumer of LLM calls.

    Args:
        publisher: takes them.
        now: the time, with an offset.
        tally: where they are counted.
    """

    def __init__(
        self,
        publisher: EventPublisher,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        tally: DeadLetterTally | None = None,
    ) -> None:
        self._publisher = publisher
        self._now = now
        self._tally = tally or DeadLetterTally()

    async def publish(
        self,
        message: InboundMessage,
        failure: Failure,
        *,
        identity: InputIdentity | None = None,
        answers: InputIdentity | None = None,
    ) -> None:
        """Return once the dead letter is acknowledged: with the original bytes, or without where they fit nowhere.

        Args:
            message: the input.
            failure: why it has no result.
            identity: who the input is, where that is known already. Its ids are looked for in the value.
            answers: what the ids of its results derive from, where that is another one, as for a part of a request.

        Raises:
            BrokerUnavailableError: it was not acknowledged; the input must not be either.
        """
        who = identity or identify(message.topic, message.key, message.value, message.headers)
        letter = _letter(message, who, answers or who, failure, self._now())
        with self._tally.sending(failure.reason):
            try:
                await self._publisher.publish(_outbound(letter, message.key, who.trace_id))
            except TooLargeError:
                await self._publisher.publish(_outbound(_without_original(letter), None, who.trace_id))
        told = (failure.reason, failure.operation or "none", message.where)
        expected = failure.reason == BudgetExhaustedError.reason  # there may be any number, and nothing is amiss
        logger.log(logging.DEBUG if expected else logging.WARNING, "Dead letter: %s, operation %s, %s", *told)


def _letter(
    message: InboundMessage, identity: InputIdentity, answers: InputIdentity, failure: Failure, failed_at: datetime
) -> DeadLetter:
    """The event: what failed and why, and the input as it stood on Kafka, byte for byte."""
    ids = ids_in(message.value)
    return DeadLetter(
        dead_letter_id=deterministic_id(identity.event_id, "dead_letter", failure.operation or ""),
        tenant_id=ids.tenant_id,
        record_id=ids.record_id,
        request_id=ids.request_id,
        operation=failure.operation,
        result_id=result_id(answers, failure.operation) if failure.operation else None,
        reason=failure.reason,
        error_class=failure.error_class,
        message=failure.message,
        attempts=failure.attempts,
        source=message.source,
        key_base64=_base64(message.key),
        value_base64=_base64(message.value),
        headers=tuple(Header(key=name, value_base64=_base64(value)) for name, value in message.headers),
        failed_at=failed_at,
    )


def lacks_original(letter: DeadLetter) -> bool:
    """Whether a dead letter has no original bytes, though its input had a value: an empty one has none to carry."""
    without_value = letter.reason == EmptyPayloadError.reason and not letter.message.endswith(_LEFT_OUT)
    return letter.value_base64 is None and not without_value


def _without_original(letter: DeadLetter) -> DeadLetter:
    """The same without the original bytes, for an input so large that its dead letter fits nowhere."""
    return letter.model_copy(
        update={"key_base64": None, "value_base64": None, "headers": (), "message": letter.message + _LEFT_OUT}
    )


def _outbound(letter: DeadLetter, key: bytes | None, trace_id: str) -> OutboundMessage:
    headers = headers_for(letter, str(letter.dead_letter_id), trace_id, letter.failed_at)
    return OutboundMessage(DEAD_LETTERS.name, key, letter.to_bytes(), headers)


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else b64encode(raw).decode("ascii")
