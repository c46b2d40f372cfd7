"""What may be replayed, and the message that a replay is."""

from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from domain.dead_letters.register import Known, Place
from domain.delivery import replays
from domain.delivery.dead_letters import lacks_original
from domain.ports import OutboundMessage
from schemas.dead_letters import DeadLetter

WITHOUT_ORIGINAL = "without their original bytes, as they were too large to be carried: read them at their source"
DAMAGED = "whose original bytes are no base64"
SUPERSEDED = "whose key has a newer value on their topic, which a replay would replace"
WITHOUT_KEY = "without a key, which their topic does not take"
NO_TOPIC = "whose topic does not exist, or is not for this client"
GONE = "that were deleted from the topic of dead letters meanwhile"
TOO_LARGE = "that are larger than their topic takes uncompressed"

Headers = Iterable[tuple[str, bytes | None]]


class DamagedError(Exception):
    """The dead letter does not hold what it should."""


@dataclass(slots=True)
class Replays:
    """The replays that were found on the topics of inputs, as far as they are of these dead letters.

    Args:
        wanted: the dead letters in question.
    """

    wanted: Iterable[Known]
    _open: dict[tuple[str, str], Known] = field(init=False)
    _found: set[tuple[str, str]] = field(init=False, default_factory=set)
    _newest: dict[tuple[str, int, bytes], int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._open = {mark_of(known): known for known in self.wanted}
        keys = (_key(known) for known in self._open.values() if known.compacted)
        self._newest = {key: -1 for key in keys if key is not None}

    def see(self, topic: str, partition: int, offset: int, key: bytes | None, headers: Headers) -> None:
        """Take note of a message on a topic of inputs."""
        if key is not None and (place := (topic, partition, key)) in self._newest:
            self._newest[place] = max(self._newest[place], offset)
        found = {name: value for name, value in headers if value is not None}
        if replays.OF in found and replays.AT in found:
            mark = (found[replays.OF].decode("utf-8", "replace"), found[replays.AT].decode("utf-8", "replace"))
            if mark in self._open:
                self._found.add(mark)

    def done(self, known: Known) -> bool:
        """Whether the latest failure of a dead letter was replayed already."""
        return mark_of(known) in self._found

    def hindrance(self, known: Known) -> str | None:
        """What keeps a dead letter from being replayed: the end of a sentence about such dead letters."""
        if not known.has_original:
            return WITHOUT_ORIGINAL
        if not known.compacted:
            return None
        key = _key(known)
        if key is None:
            return WITHOUT_KEY
        return SUPERSEDED if self._newest[key] > known.source[2] else None


def mark_of(known: Known) -> tuple[str, str]:
    """What names the replay of a dead letter's latest failure: the values of its two headers."""
    return str(known.dead_letter_id), where(known.source)


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


def bytes_of(text: str | None) -> bytes | None:
    """What stands in base64; None for None.

    Raises:
        ValueError: it does not.
    """
    return None if text is None else b64decode(text, validate=True)


@dataclass(slots=True)
class Plan:
    """What is to be done with the dead letters that were matched.

    Attributes:
        replay: those to be replayed, the oldest failure first.
        already: how many were replayed before.
        impossible: those that cannot be, by the reason (the end of a sentence).
    """

    replay: list[Known] = field(default_factory=list)
    already: int = 0
    impossible: dict[str, list[Known]] = field(default_factory=dict)

    @classmethod
    def of(cls, matched: Iterable[Known], seen: Replays, topics: set[str]) -> "Plan":
        """Decide; `topics` are those that exist."""
        plan = cls()
        for known in matched:
            hindrance = NO_TOPIC if known.source[0] not in topics else None
            if seen.done(known):
                plan.already += 1
            elif reason := hindrance or seen.hindrance(known):
                plan.refuse(known, reason)
            else:
                plan.replay.append(known)
        return plan

    def refuse(self, known: Known, reason: str) -> None:
        """Count one as impossible."""
        self.impossible.setdefault(reason, []).append(known)

    @property
    def refused(self) -> int:
        """How many cannot be replayed."""
        return sum(map(len, self.impossible.values()))

    def refusals(self) -> Iterator[str]:
        """One sentence for each reason."""
        for reason, refused in self.impossible.items():
            named = ", ".join(str(known.dead_letter_id) for known in refused[:3])
            more = f" and {len(refused) - 3:,} more" if len(refused) > 3 else ""
            yield f"{len(refused):,} cannot be replayed {reason}: {named}{more}."


def _key(known: Known) -> tuple[str, int, bytes] | None:
    """Where its key has its value, on a compacted topic."""
    try:
        key = bytes_of(known.key)
    except ValueError:
        return None
    return None if key is None else (known.source[0], known.source[1], key)
