"""What may be replayed, and what was replayed already."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from domain.dead_letters.originals import Headers, bytes_of, fingerprint, where
from domain.dead_letters.register import Known
from domain.delivery import replays
from schemas.topics import INPUTS

WITHOUT_ORIGINAL = "without their original bytes, as they were too large to be carried: read them at their source"
DAMAGED = "whose original bytes are no base64"
SUPERSEDED = "whose key has a newer value on their topic, which a replay would replace"
WITHOUT_KEY = "without a key, which their topic does not take"
FOREIGN = "whose topic is none that inputs come from"
NO_TOPIC = "whose topic does not exist, or is not for this client"
GONE = "that were deleted from the topic of dead letters meanwhile"
TOO_LARGE = "that are larger than their topic takes uncompressed"

_INPUTS = frozenset(topic.name for topic in INPUTS)


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
    _first: dict[tuple[str, int], int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._open = {mark_of(known): known for known in self.wanted}
        keys = (_key(known) for known in self._open.values() if known.compacted)
        self._newest = {key: -1 for key in keys if key is not None}

    def begins(self, topic: str, firsts: Mapping[int, int]) -> None:
        """Take note of the first offset that there still is, by partition."""
        self._first |= {(topic, partition): first for partition, first in firsts.items()}

    def see(
        self, topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Take note of a message on a topic of inputs.

        Anybody who may write there can mark a message as a replay; one that does not ask what the original asked is
        none, or a failure would count as replayed that never was.
        """
        if key is not None and (place := (topic, partition, key)) in self._newest:
            self._newest[place] = max(self._newest[place], offset)
        found = {name: value for name, value in headers if value is not None}
        if replays.OF in found and replays.AT in found:
            mark = (found[replays.OF].decode("utf-8", "replace"), found[replays.AT].decode("utf-8", "replace"))
            known = self._open.get(mark)
            if known is not None and known.replay == fingerprint(topic, key, value, headers):
                self._found.add(mark)

    def done(self, known: Known) -> bool:
        """Whether the latest failure of a dead letter was replayed already."""
        return mark_of(known) in self._found

    def forgotten(self, known: Known) -> bool:
        """Whether a replay may have been deleted: messages that came after the input were."""
        topic, partition, offset = known.source
        return self._first.get((topic, partition), 0) > offset + 1

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


def doubts(forgotten: int, total: int) -> Iterator[str]:
    """A sentence where it cannot be known of some, of which no replay was found, whether there was one."""
    if forgotten:
        yield (
            f"{forgotten:,} of {total:,} may have been replayed before: messages that came after the failed inputs "
            "were deleted from their topics, and replays may be among these."
        )


@dataclass(slots=True)
class Plan:
    """What is to be done with the dead letters that were matched.

    Attributes:
        replay: those to be replayed, the oldest failure first.
        already: how many were replayed before.
        forgotten: how many of those to be replayed may have been replayed before, which can no longer be known.
        impossible: those that cannot be, by the reason (the end of a sentence).
    """

    replay: list[Known] = field(default_factory=list)
    already: int = 0
    forgotten: int = 0
    impossible: dict[str, list[Known]] = field(default_factory=dict)

    @classmethod
    def of(cls, matched: Iterable[Known], seen: Replays, topics: set[str]) -> "Plan":
        """Decide; `topics` are those that exist."""
        plan = cls()
        for known in matched:
            topic = known.source[0]
            if topic not in _INPUTS:
                plan.refuse(known, FOREIGN)
            elif seen.done(known):
                plan.already += 1
            elif reason := NO_TOPIC if topic not in topics else seen.hindrance(known):
                plan.refuse(known, reason)
            else:
                plan.replay.append(known)
                plan.forgotten += seen.forgotten(known)
        return plan

    def refuse(self, known: Known, reason: str) -> None:
        """Count one as impossible."""
        self.impossible.setdefault(reason, []).append(known)

    @property
    def refused(self) -> int:
        """How many cannot be replayed."""
        return sum(map(len, self.impossible.values()))

    @property
    def by_topic(self) -> str:
        """How many are to be replayed to each topic, in words."""
        counts = Counter(known.source[0] for known in self.replay)
        return ", ".join(f"{count:,} to {topic}" for topic, count in sorted(counts.items()))

    def doubts(self) -> Iterator[str]:
        """A sentence where it cannot be known whether some were replayed before."""
        yield from doubts(self.forgotten, len(self.replay))

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
