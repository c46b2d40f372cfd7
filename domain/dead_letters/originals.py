"""The original input in a dead letter: the message that its replay is, and what tells that replay from others."""

from base64 import b64decode
from collections.abc import Iterable
from hashlib import blake2b

from domain.delivery import replays
from domain.delivery.dead_letters import lacks_original
from domain.ports import OutboundMessage
from schemas.cloudevents import identify
from schemas.dead_letters import DeadLetter

Headers = Iterable[tuple[str, bytes | None]]

Place = tuple[str, int, int]
"""Topic, partition and offset."""


class DamagedError(Exception):
    """The dead letter does not hold what it should."""


def where(place: Place) -> str:
    """`topic:partition:offset`."""
    return ":".join(map(str, place))


def message_of(letter: DeadLetter) -> OutboundMessage:
    """The original input with its bytes, key and headers, and what says that it is a replay.

    Its identity stays, and so do the ids of its results: they are made of `ce_source` and `ce_id`, or of topic, key
    and value. Of a dead letter of one operation only that one is done again; an earlier limit stays where the letter
    names none.

    Raises:
        DamagedError: what should be base64 is not, or there is nothing.
    """
    if lacks_original(letter):
        raise DamagedError
    source = letter.source
    ours = {
        replays.OF: str(letter.dead_letter_id).encode(),
        replays.AT: where((source.topic, source.partition, source.offset)).encode(),
    }
    if letter.operation is not None:
        ours[replays.OPERATIONS] = letter.operation.encode()
    try:
        kept = tuple((h.key, bytes_of(h.value_base64)) for h in letter.headers if h.key not in ours)
        key, value = bytes_of(letter.key_base64), bytes_of(letter.value_base64)
    except ValueError as error:
        raise DamagedError from error
    return OutboundMessage(source.topic, key, value, (*kept, *ours.items()))


def fingerprint_of(letter: DeadLetter) -> bytes | None:
    """The `fingerprint` of its replay; None where there can be none."""
    try:
        replay = message_of(letter)
    except DamagedError:
        return None
    return fingerprint(replay.topic, replay.key, replay.value, replay.headers)


def fingerprint(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    """16 bytes that are equal for messages that ask the same: key, value, identity, and the limit to operations."""
    given = tuple(headers)
    limit = dict(given).get(replays.OPERATIONS)
    asked = identify(topic, key, value, given).event_id.encode()
    hashed = blake2b(digest_size=16)
    for part in (key, value, limit, asked):
        hashed.update(b"-" if part is None else b"%d:%b" % (len(part), part))
    return hashed.digest()


def bytes_of(text: str | None) -> bytes | None:
    """What stands in base64; None for None.

    Raises:
        ValueError: it does not.
    """
    return None if text is None else b64decode(text, validate=True)
