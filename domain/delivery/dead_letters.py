"""Writing down an input that could not be answered, with its original bytes."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime

from domain.delivery.messages import InboundMessage
from domain.errors import FeedbackError
from domain.ports import OutboundMessage
from schemas.cloudevents import InputIdentity, deterministic_id, headers_for
from schemas.dead_letters import DeadLetter, Header, Source
from schemas.topics import DEAD_LETTERS

INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an input, or one operation on it, has no result.

    Attributes:
        reason: one of `reasons.REASONS`.
        error_class: the kind of error behind it.
        message: one sentence for a person, without any text of the input.
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


def dead_letter(
    message: InboundMessage, identity: InputIdentity, failure: Failure, *, tenant_id: str | None, failed_at: datetime
) -> DeadLetter:
    """The event: what failed and why, and the input as it stood on Kafka, byte for byte."""
    return DeadLetter(
        dead_letter_id=deterministic_id(identity.event_id, "dead_letter", failure.operation or ""),
        tenant_id=tenant_id,
        operation=failure.operation,
        reason=failure.reason,
        error_class=failure.error_class,
        message=failure.message,
        attempts=failure.attempts,
        source=Source(
            topic=message.topic, partition=message.partition, offset=message.offset, timestamp=message.timestamp
        ),
        key_base64=_base64(message.key),
        value_base64=_base64(message.value),
        headers=tuple(Header(key=name, value_base64=_base64(value)) for name, value in message.headers),
        failed_at=failed_at,
    )


def without_original(letter: DeadLetter) -> DeadLetter:
    """The same without the original bytes, for an input so large that its dead letter fits nowhere."""
    note = " The original is too large to be carried here: read it at its source."
    return letter.model_copy(
        update={"key_base64": None, "value_base64": None, "headers": (), "message": letter.message + note}
    )


def outbound(letter: DeadLetter, key: bytes | None, trace_id: str) -> OutboundMessage:
    """The dead letter as it is sent, under the key of its input."""
    headers = headers_for(letter, str(letter.dead_letter_id), trace_id, letter.failed_at)
    return OutboundMessage(DEAD_LETTERS.name, key, letter.to_bytes(), headers)


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else b64encode(raw).decode("ascii")
