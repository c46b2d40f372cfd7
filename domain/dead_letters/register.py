"""Dead letters by their ids: what stands on the topic, in little memory."""

import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from domain.dead_letters.originals import Place, fingerprint_of
from domain.delivery.dead_letters import lacks_original
from schemas.base import SUPPORTED_SCHEMA_VERSION
from schemas.dead_letters import DeadLetter
from schemas.topics import TOPICS

_COMPACTED = frozenset(topic.name for topic in TOPICS if topic.compacted)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; what is None, or empty, limits nothing.

    Attributes:
        ids: their ids.
        reason, tenant, operation: as the dead letter has them.
        tenants: of any of these.
        since, until: when they were given up, from `since` on, before `until`.
    """

    ids: Collection[UUID] = ()
    reason: str | None = None
    tenant: str | None = None
    operation: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    tenants: Collection[str] = ()

    def concerns(self, letter: DeadLetter) -> bool:
        """Whether a letter may be meant, as far as its repeats have it, too: whose it is, and which operation's."""
        return (
            (not self.ids or letter.dead_letter_id in self.ids)
            and self.tenant in (None, letter.tenant_id)
            and (not self.tenants or letter.tenant_id in self.tenants)
            and self.operation in (None, letter.operation)
        )

    def takes(self, known: "Known") -> bool:
        """Whether a dead letter is meant, by its latest failure."""
        return (
            self.reason in (None, known.reason)
            and (self.since is None or known.failed_at >= self.since)
            and (self.until is None or known.failed_at < self.until)
        )


@dataclass(slots=True)
class Known:
    """A dead letter, as its latest failure has it, and without the content.

    Attributes:
        tenant_id, record_id, request_id, operation, result_id, reason, failed_at: as in `DeadLetter`.
        source: the input that failed.
        stands_at: the message on the topic of dead letters.
        has_original: whether that carries the original bytes.
        key: its key in base64, where the source is a compacted topic, on which a key has one value.
        times: how many messages of this id there are: repeats after a crash, failures of replays.
        since: the earliest of their failures, as they say, and of the Kafka timestamps of their own messages, as the
            former may lie in the future: no replay of them is older. None where one has no timestamp.
        replay: the `fingerprint` of the latest failure's replay, where it can be replayed.
    """

    dead_letter_id: UUID
    tenant_id: str | None
    record_id: str | None
    request_id: str | None
    operation: str | None
    result_id: UUID | None
    reason: str
    failed_at: datetime
    source: Place
    stands_at: tuple[int, int]
    has_original: bool
    key: str | None
    times: int
    since: datetime | None
    replay: bytes | None

    @property
    def compacted(self) -> bool:
        """Whether its source keeps only the newest value of each key."""
        return self.source[0] in _COMPACTED


@dataclass(slots=True)
class Register:
    """Takes the messages of the topic, and keeps of each id the latest failure that the filter concerns.

    Attributes:
        invalid: how many messages are no dead letter.
    """

    filter: Filter = field(default_factory=Filter)
    invalid: int = 0
    _known: dict[UUID, Known] = field(default_factory=dict)
    _ids: set[bytes] = field(default_factory=set)

    def enter(
        self, value: bytes | None, partition: int, offset: int, sent_at: datetime | None = None
    ) -> DeadLetter | None:
        """Take a message; returns the dead letter where it is the latest of one that the filter concerns.

        Args:
            value: the message's.
            partition, offset: where it stands.
            sent_at: its Kafka timestamp, where it has a plausible one.
        """
        letter = read(value)
        if letter is None:
            self.invalid += 1
            return None
        self._ids.add(letter.dead_letter_id.bytes)
        if not self.filter.concerns(letter):
            return None
        known, before = _known(letter, partition, offset, sent_at), self._known.get(letter.dead_letter_id)
        if before is None:
            self._known[letter.dead_letter_id] = known
            return letter
        times, since = before.times + 1, before.since and known.since and min(before.since, known.since)
        latest = known if _order(known) >= _order(before) else before
        latest.times, latest.since = times, since
        self._known[letter.dead_letter_id] = latest
        return letter if latest is known else None

    def matching(self) -> list[Known]:
        """What the filter takes, by the time of the latest failure."""
        return sorted(filter(self.filter.takes, self._known.values()), key=_order)

    @property
    def in_all(self) -> int:
        """How many dead letters there are, whatever the filter takes."""
        return len(self._ids)

    def __contains__(self, dead_letter_id: UUID) -> bool:
        return dead_letter_id in self._known


def read(value: bytes | None) -> DeadLetter | None:
    """The dead letter in a message; None where there is none, or one of a version that we do not know."""
    try:
        letter = DeadLetter.model_validate_json(value or b"")
    except ValidationError:
        return None
    return letter if letter.schema_version == SUPPORTED_SCHEMA_VERSION else None


def _known(letter: DeadLetter, partition: int, offset: int, sent_at: datetime | None) -> Known:
    source = letter.source
    return Known(
        dead_letter_id=letter.dead_letter_id,
        tenant_id=_once(letter.tenant_id),
        record_id=letter.record_id,
        request_id=letter.request_id,
        operation=_once(letter.operation),
        result_id=letter.result_id,
        reason=sys.intern(letter.reason),
        failed_at=letter.failed_at,
        source=(sys.intern(source.topic), source.partition, source.offset),
        stands_at=(partition, offset),
        has_original=not lacks_original(letter),
        key=letter.key_base64 if source.topic in _COMPACTED else None,
        times=1,
        since=sent_at and min(letter.failed_at, sent_at),
        replay=fingerprint_of(letter),
    )


def _order(known: Known) -> tuple[datetime, Place]:
    return known.failed_at, known.source


def _once(text: str | None) -> str | None:
    """The same object for equal texts, of which there are few."""
    return None if text is None else sys.intern(text)
