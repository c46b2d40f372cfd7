"""CloudEvents 1.0 in Kafka's binary mode: metadata in headers, the payload as it is.

Source: CloudEvents specification 1.0.2 and its Kafka protocol binding; W3C Trace Context for `traceparent`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from random import getrandbits
from uuid import NAMESPACE_URL, UUID, uuid5

from schemas.base import Event

KafkaHeaders = tuple[tuple[str, bytes], ...]
"""Headers as they stand on a Kafka record: name and bytes, in order, names not unique."""

SOURCE = "feedback-streams"
CONTENT_TYPE = b"application/json"
_NAMESPACE = uuid5(NAMESPACE_URL, "urn:feedback-streams")
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")


@dataclass(frozen=True, slots=True)
class InputIdentity:
    """Who an input is, whichever way it came: the same for every redelivery of the same event."""

    event_id: str
    trace_id: str


def deterministic_id(*parts: str) -> UUID:
    """A UUIDv5 over the parts, in order; no two different lists of parts collide by joining."""
    return uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts))


def identify(
    topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> InputIdentity:
    """Name an input: `ce_source` + `ce_id` where the producer sends both, else a hash of topic, key and value."""
    found = {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}
    if found.get("ce_id") and found.get("ce_source"):
        event_id = deterministic_id("ce", found["ce_source"], found["ce_id"])
    else:
        raw = ["-" if part is None else sha256(part).hexdigest() for part in (key, value)]
        event_id = deterministic_id("raw", topic, *raw)
    match = _TRACEPARENT.match(found.get("traceparent", ""))
    trace_id = match["trace"] if match and match["trace"] != "0" * 32 else event_id.hex
    return InputIdentity(event_id=str(event_id), trace_id=trace_id)


def headers_for(
    event: Event | type[Event], event_id: str, trace_id: str, time: datetime | None = None, source: str = SOURCE
) -> KafkaHeaders:
    """All headers that an event of ours is sent with.

    Args:
        event: the payload, or its class; it names the `ce_type`.
        event_id: the `ce_id`; equal for repeats of the same event.
        trace_id: 32 hex digits, as `identify` returns it.
        time: when it happened; now by default.
        source: the `ce_source`.
    """
    moment = (time or datetime.now(UTC)).astimezone(UTC)
    # No secret, only unlikely to be another's: a kernel call for each message is more than a span's id is worth.
    span_id = getrandbits(64)
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event.ce_type.encode()),
        ("ce_time", moment.isoformat().replace("+00:00", "Z").encode()),
        ("content-type", CONTENT_TYPE),
        ("traceparent", f"00-{trace_id}-{span_id:016x}-01".encode()),
    )
