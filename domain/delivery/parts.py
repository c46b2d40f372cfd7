"""Requests that come in several messages: each part waits for the others, and one of them does the work for all."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from domain.delivery.faults import TRIES
from domain.delivery.messages import InboundMessage
from domain.delivery.parts_answered import Answered
from domain.delivery.parts_clock import PartsClock
from domain.delivery.parts_group import Group, Key, Member, Place, Request, Whole, head_of
from domain.delivery.parts_words import incomplete, too_many
from domain.errors import (
    BugError,
    FailedWithAnotherPartError,
    FeedbackError,
    InputError,
    InvalidOutputError,
    LLMError,
)
from schemas.cloudevents import InputIdentity, deterministic_id

MEBIBYTE = 2**20
GRACE_SECONDS = 10.0
_HELD_LOOK_SECONDS = 1.0
_AT_MOST = 2
"""Times `max_bytes`: what may be held where others are about to make room."""

_OF_THE_REQUEST = (InputError, InvalidOutputError, LLMError)


@dataclass(frozen=True, slots=True)
class PartsSettings:
    """How long parts wait, and how many.

    Attributes:
        wait_seconds: how long the first part waits for the others, counted from its broker timestamp.
        grace_seconds: the least that it waits, however old it is, counted from the latest part that came.
        max_bytes: of all parts together, as they travel: from there on nothing is read until requests that are
            complete are done. A part that comes nevertheless is taken, up to twice as much, and refused where nothing
            but incomplete requests is held.
    """

    wait_seconds: float = 600.0
    grace_seconds: float = GRACE_SECONDS
    max_bytes: int = 256 * MEBIBYTE


class PartsRegister:
    """Where the parts of requests wait for each other; one per worker, used from one event loop.

    It knows the parts that came to this worker: all of a request, as they have one key, while the partitions stay as
    they are. Their time stands while reading is held, as the missing part may well be there; it runs while there is
    nothing to read, and where all inputs at hand are parts that wait: then reading is held by them.

    Fulfils `domain.delivery.places.Memory`.

    Attributes:
        bytes_held: of all parts that are here, waiting or at work, as they travel.
    """

    def __init__(
        self,
        settings: PartsSettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._now, self._clock = now, PartsClock(monotonic)
        self._groups: dict[Key, Group] = {}
        self._answered = Answered()
        self._to_try_again: dict[Place, Group] = {}
        self._reach: dict[Place, int] = {}
        self._inputs = self._waiting = self._waiting_bytes = 0
        self._watchers: list[Callable[[], None]] = []
        self.bytes_held = 0

    def reading_held(self) -> AbstractContextManager[None]:
        """While this lasts no message is read; not to be entered twice at a time."""
        return self._clock.held(self._inputs == self._waiting)

    @contextmanager
    def input_here(self) -> Iterator[None]:
        """While this lasts an input is at hand: a part, or any other."""
        self._inputs += 1
        self._look()
        try:
            yield
        finally:
            self._inputs -= 1
            self._look()

    @property
    def is_short(self) -> bool:
        """See `Memory`: as much is held as may be, some of it by complete requests, which will be done."""
        return self.bytes_held >= self._settings.max_bytes and self.bytes_held > self._waiting_bytes

    def watch(self, changed: Callable[[], None]) -> None:
        """See `Memory`."""
        self._watchers.append(changed)

    @asynccontextmanager
    async def whole(self, message: InboundMessage, request: Request) -> AsyncIterator[Whole | None]:
        """The whole request, for the one that does its work inside of the block; None for a part, when all is done.

        Enter it for every message that is a part; it returns when all parts have come, or when the work was done. Part
        1 does the work. Its failure is the failure of every part, but only one of them has the error itself: a request
        that fails is one failure, however many parts it has. What stops the worker stops it for all.

        Raises:
            IncompleteRequestError: parts did not come in time.
            WrongSchemaError: this part does not go together with the others.
            TooManyPartsError: more bytes wait already than may.
            FailedWithAnotherPartError: the work of the request failed in part 1.
            FeedbackError: it raised what stops the worker.
        """
        member = Member(message, request, sha256(message.value or b"").digest())
        if self._answered.delivered_again(member):
            yield None
            return
        tried = self._to_try_again.pop(member.place, None)
        group = self._join(member) if tried is None or tried.error is None else tried
        if group is tried and group.error is not None:  # it ended when this part, or its repeat, met a fault
            raise group.error
        try:
            if await self._is_to_work(group, member):
                with self._outcome(group, member, last=tried is not None):
                    yield group.whole()
            else:
                yield None
            await group.last_where_lowest(member)
        finally:
            self._reach[member.place] = group.reach(member)
            self._leave(group, member)

    def reach(self, message: InboundMessage) -> int | None:
        """The highest offset of the parts that a message shared its outcome with; None for no part. Ask once."""
        return self._reach.pop((message.topic, message.partition, message.offset), None)

    def _join(self, member: Member) -> Group:
        group = self._groups.get(member.key) or Group(member)
        group.check(member)
        if not self._may_hold(group, member):
            error = too_many(self._settings.max_bytes)
            if not group.complete:  # what waits in vain would keep others from being taken
                self._end(member.key, group, error)
            raise error
        self._groups[member.key] = group
        if not group.fresh and not self._answered.holds(member):
            group.fresh = True
            group.due = max(group.due, self._due(member.message.timestamp))
        group.due = max(group.due, self._clock() + self._settings.grace_seconds)
        self.bytes_held += member.size
        with self._changing(group):
            group.add(member)
        return group

    def _may_hold(self, group: Group, member: Member) -> bool:
        held, most = self.bytes_held + member.size, self._settings.max_bytes
        some_will_be_done = self.bytes_held > self._waiting_bytes or group.missing() == [member.number]
        return held <= most or (some_will_be_done and held <= most * _AT_MOST)

    def _leave(self, group: Group, member: Member) -> None:
        if group.worker is member:  # it was cancelled, or comes again: the others wait for it as for a new part
            group.worker = None
            group.due = max(group.due, self._clock() + self._settings.grace_seconds)
        self.bytes_held -= member.size
        with self._changing(group):
            group.remove(member)
        if not group.members and self._groups.get(member.key) is group:
            del self._groups[member.key]

    async def _is_to_work(self, group: Group, member: Member) -> bool:
        """Return when this one is to do the work (True), or when it is done."""
        while not group.ended:
            left = None if group.complete else group.due - self._clock()
            if not group.fresh and (left is None or left <= 0):  # sent again as they were answered, and no more comes
                self._end(member.key, group, None)
            elif group.first is member and group.worker is None:
                group.worker = member
                return True
            elif left is not None and left <= 0:
                self._end(member.key, group, incomplete(group, self._settings.wait_seconds))
            else:
                await group.changed(max(left, _HELD_LOOK_SECONDS) if left is not None and self._clock.stands else left)
        if group.error is not None:
            raise group.error
        return False

    @contextmanager
    def _outcome(self, group: Group, member: Member, *, last: bool) -> Iterator[None]:
        """Tell the others what becomes of the work; `last`: it is the last try of this message."""
        key = member.key
        try:
            yield
        except _OF_THE_REQUEST as error:
            self._end(key, group, FailedWithAnotherPartError(error))
            raise
        except FeedbackError as error:  # it stops the worker
            self._end(key, group, error)
            raise
        except Exception:
            group.faults += 1
            if group.faults >= TRIES:
                self._end(key, group, FailedWithAnotherPartError(BugError(_FAULT)))
            if not last:
                self._to_try_again[member.place] = group
            raise
        self._end(key, group, None)
        self._answered.remember(group)

    def _end(self, key: Key, group: Group, error: FeedbackError | None) -> None:
        if self._groups.get(key) is group:
            del self._groups[key]
        with self._changing(group):
            group.end(error)

    @contextmanager
    def _changing(self, group: Group) -> Iterator[None]:
        """Keep count of the parts that wait for others, whatever is done to the group inside of the block."""
        before, bytes_before = group.waiting, group.waiting_bytes
        yield
        self._waiting += group.waiting - before
        self._waiting_bytes += group.waiting_bytes - bytes_before
        self._look()
        for changed in self._watchers:
            changed()

    def _look(self) -> None:
        """Let time run where nothing but waiting parts is at hand: they would hold reading for ever."""
        self._clock.let_run(self._inputs == self._waiting)

    def _due(self, since: datetime | None) -> float:
        age = 0.0 if since is None else max(0.0, (self._now() - since).total_seconds())
        return self._clock() + max(self._settings.grace_seconds, self._settings.wait_seconds - age)


_FAULT = "A fault in this program, twice on the first part of this request; the worker's log says where."


def answers_of(request: Request, identity: InputIdentity) -> InputIdentity:
    """What the ids of a request's results derive from: its own identity or, for a part, what is common to all parts.

    So the dead letter of any part carries the id of the one result, whatever became of the other parts: a part that is
    delivered again after a crash, when the others are done and gone, is known by it to have been answered.

    Args:
        request: the whole of a request, or a part of it.
        identity: the message's.
    """
    if request.part is None:
        return identity
    head = head_of(request).to_bytes()
    ids = (request.ce_type, request.tenant_id, request.request_id, str(request.part.of), sha256(head).hexdigest())
    return InputIdentity(str(deterministic_id("parts", *ids)), identity.trace_id)
