"""The parts of one request that are here now."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from domain.delivery.messages import InboundMessage
from domain.errors import FeedbackError, WrongSchemaError
from schemas.base import shown
from schemas.requests import AnalysisRequested, Period, RequestedRecord, SummaryRequested

Request = AnalysisRequested | SummaryRequested
Key = tuple[str, str, str]
Place = tuple[str, int, int]
_A_MOMENT = 0.05


def head_of(request: Request) -> Request:
    """What all parts of a request have in common: everything but its records, and which part it is.

    Its moments are in UTC: parts that spell them in other offsets mean the same, and have one head.
    """
    common: dict[str, Any] = {"records": (), "part": None}
    if isinstance(request, AnalysisRequested) and request.period is not None:
        common["period"] = Period(start=_in_utc(request.period.start), end=_in_utc(request.period.end))
    return request.model_copy(update=common)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # at an end of the calendar
        return moment


@dataclass(frozen=True, slots=True)
class Whole:
    """A request with the records of all its parts, in the order of the parts.

    Attributes:
        request: without a `part`.
        messages: what it came in, one for each part, in their order.
    """

    request: Request = field(repr=False)
    messages: tuple[InboundMessage, ...]


@dataclass(eq=False, slots=True)
class Member:
    """A message that is a part of a request."""

    message: InboundMessage
    request: Request = field(repr=False)
    digest: bytes = field(repr=False)

    @property
    def number(self) -> int:
        """Which part it is."""
        return 1 if self.request.part is None else self.request.part.number

    @property
    def of(self) -> int:
        """How many parts there are."""
        return 1 if self.request.part is None else self.request.part.of

    @property
    def size(self) -> int:
        """Bytes, as it travels."""
        return len(self.message.value or b"")

    @property
    def key(self) -> Key:
        """What the parts of one request share, and no other's."""
        return type(self.request).__name__, self.request.tenant_id, self.request.request_id

    @property
    def place(self) -> Place:
        """Where it stands on Kafka."""
        return self.message.topic, self.message.partition, self.message.offset


class Group:
    """The parts of one request.

    Attributes:
        head, of: as the first one has them; the others must have the same.
        members: by their number, each with its repeats.
        size: bytes of all of them, as they travel.
        due: when it is given up, on the register's clock.
        fresh: whether any of them is not known as answered.
        worker: who does the work now.
        faults: how often it met an unknown exception.
        ended: whether there is an outcome; then `error` says which, None for a result.
    """

    def __init__(self, first: Member) -> None:
        self.head, self.of = head_of(first.request), first.of
        self.members: dict[int, list[Member]] = {}
        self.size = 0
        self.due = 0.0
        self.fresh = False
        self.worker: Member | None = None
        self.faults = 0
        self.ended = False
        self.error: FeedbackError | None = None
        self._news = asyncio.Event()
        self._highest: dict[tuple[str, int], int] = {}

    @property
    def complete(self) -> bool:
        """Whether all parts are here."""
        return len(self.members) == self.of

    @property
    def waiting(self) -> int:
        """How many messages wait for other parts."""
        return 0 if self.ended or self.complete else sum(map(len, self.members.values()))

    @property
    def waiting_bytes(self) -> int:
        """Their bytes."""
        return 0 if self.ended or self.complete else self.size

    @property
    def first(self) -> Member | None:
        """Who does the work: part 1, once all parts are here."""
        return self.members[1][0] if self.complete else None

    def missing(self) -> list[int]:
        """The numbers of the parts that are not here, ascending."""
        return [number for number in range(1, self.of + 1) if number not in self.members]

    def check(self, member: Member) -> None:
        """Refuse a part that does not go together with those that are here.

        Raises:
            WrongSchemaError: it is of another number of parts, asks something else, or stands in another one's place.
        """
        head = head_of(member.request)
        differing = [name for name in type(head).model_fields if getattr(head, name) != getattr(self.head, name)]
        if member.of != self.of:
            differing.append("part.of")
        if differing:
            names = ", ".join(f"`{name}`" for name in differing)
            raise WrongSchemaError(f"The part differs in {names} from the part of its request that came first.")
        known = self.members.get(member.number)
        if known and known[0].digest != member.digest:
            raise WrongSchemaError(f"Part {member.number} of the request came before, with another content.")

    def add(self, member: Member) -> None:
        """A part is here."""
        self.members.setdefault(member.number, []).append(member)
        self.size += member.size
        message = member.message
        at = message.topic, message.partition
        self._highest[at] = max(message.offset, self._highest.get(at, 0))
        self._tell()

    def remove(self, member: Member) -> None:
        """A part is gone."""
        copies = self.members[member.number]
        copies.remove(member)
        self.size -= member.size
        if not copies:
            del self.members[member.number]
        self._tell()

    def end(self, error: FeedbackError | None) -> None:
        """There is an outcome."""
        self.ended, self.error = True, error
        self._tell()

    async def changed(self, seconds: float | None) -> None:
        """Return when something has changed, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), None if seconds is None else max(seconds, _A_MOMENT))

    def reach(self, member: Member) -> int:
        """The highest offset at which a part has been, on the partition of this one."""
        return self._highest[member.message.topic, member.message.partition]

    async def last_where_lowest(self, member: Member) -> None:
        """Return when no part of a higher offset is left: after a result, parts leave in the reverse of their order.

        So what becomes of the lowest is known of all. (After a failure each leaves by itself, for a dead letter of its
        own.) That none of them is committed without the others is seen to where offsets are released: `reach`.
        """
        while any(other.message.offset > member.message.offset for other in self._others(member)):
            await self.changed(None)

    def whole(self) -> Whole:
        """The request with all records.

        Raises:
            WrongSchemaError: two parts hold the same record.
        """
        members = [self.members[number][0] for number in range(1, self.of + 1)]
        records = tuple(record for member in members for record in member.request.records)
        _check_each_once(records)
        return Whole(self.head.model_copy(update={"records": records}), tuple(member.message for member in members))

    def _others(self, member: Member) -> list[Member]:
        return [other for copies in self.members.values() for other in copies if other is not member]

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _check_each_once(records: tuple[RequestedRecord, ...]) -> None:
    seen: set[str] = set()
    for record in records:
        if record.record_id in seen:
            raise WrongSchemaError(f"Two parts of the request hold a record with the id {shown(record.record_id)}.")
        seen.add(record.record_id)
