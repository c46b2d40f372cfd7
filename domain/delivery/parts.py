"""Requests that come in several messages: each part waits for the others, and one of them does the work for all."""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from domain.delivery.messages import InboundMessage
from domain.delivery.parts_group import Group, Member, Request, Whole, head_of
from domain.errors import (
    BugError,
    FailedWithAnotherPartError,
    FeedbackError,
    IncompleteRequestError,
    InputError,
    InvalidOutputError,
    LLMError,
    TooLargeError,
)
from schemas.base import shown
from schemas.cloudevents import InputIdentity, deterministic_id

MEBIBYTE = 2**20
GRACE_SECONDS = 10.0
_FINISHED_KEPT = 1_000
_HELD_LOOK_SECONDS = 1.0
_TRIES = 2
"""How often an input is tried after an unknown exception, as `Delivery` has it."""

_OF_THE_REQUEST = (InputError, InvalidOutputError, LLMError)

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class PartsSettings:
    """How long parts wait, and how many.

    Attributes:
        wait_seconds: how long the first part waits for the others, counted from its broker timestamp.
        grace_seconds: the least that it waits, however old it is, counted from the latest part that came.
        max_bytes: of all parts together, as they travel, that are held at once.
    """

    wait_seconds: float = 600.0
    grace_seconds: float = GRACE_SECONDS
    max_bytes: int = 256 * MEBIBYTE


class PartsRegister:
    """Where the parts of requests wait for each other; one per worker, used from one event loop.

    All parts of a request have one key, so that they come to one worker. Their time runs only while messages are read:
    when nothing is, the missing part may well be there.
    """

    def __init__(
        self,
        settings: PartsSettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._now, self._monotonic = now, monotonic
        self._groups: dict[Key, Group] = {}
        self._finished: OrderedDict[Key, dict[int, bytes]] = OrderedDict()
        self._held_seconds = 0.0
        self._held_since: float | None = None
        self.bytes_held = 0

    @contextmanager
    def reading_held(self) -> Iterator[None]:
        """While this lasts no message is read, and no part's time runs."""
        self._held_since = self._monotonic()
        try:
            yield
        finally:
            self._held_seconds, self._held_since = self._monotonic() - self._read_for(), None

    @asynccontextmanager
    async def whole(self, message: InboundMessage, request: Request) -> AsyncIterator[Whole | None]:
        """The whole request, for the one that does its work inside of the block; None for a part, when all is done.

        Enter it for every message that is a part; it returns when all parts have come, or when the work was done. Part
        1 does the work. Its failure is the failure of every part, but only one of them has the error itself: a request
        that fails is one failure, however many parts it has. What stops the worker stops it for all.

        Raises:
            IncompleteRequestError: parts did not come in time.
            WrongSchemaError: this part does not go together with the others.
            TooLargeError: more bytes wait already than may.
            FailedWithAnotherPartError: the work of the request failed in part 1.
            FeedbackError: it raised what stops the worker.
        """
        key = (type(request).__name__, request.tenant_id, request.request_id)
        member = Member(message, request, sha256(message.value or b"").digest())
        if self._finished.get(key, {}).get(member.number) == member.digest:
            yield None  # a repeat of what was answered
            return
        group = self._join(key, member)
        try:
            if await self._is_to_work(group, member):
                with self._outcome(key, group):
                    yield group.whole()
            else:
                yield None
            await group.last_where_lowest(member)
        finally:
            self._leave(key, group, member)

    def _join(self, key: Key, member: Member) -> Group:
        group = self._groups.get(key) or Group(member, self._due(member.message.timestamp))
        group.check(member)
        if self.bytes_held + member.size > self._settings.max_bytes:
            error = TooLargeError(
                f"With this part the requests that wait here would be more than {self._settings.max_bytes} bytes: send "
                "fewer or smaller requests at a time, or let workers hold more."
            )
            if group.worker is None:  # what waits in vain would keep others from being taken
                self._end(key, group, error)
            raise error
        self.bytes_held += member.size
        self._groups[key] = group
        group.due = max(group.due, self._read_for() + self._settings.grace_seconds)
        group.add(member)
        return group

    def _leave(self, key: Key, group: Group, member: Member) -> None:
        self.bytes_held -= member.size
        if group.worker is member:  # it was cancelled, or comes again: the others wait for it as for a new part
            group.worker = None
            group.due = max(group.due, self._read_for() + self._settings.grace_seconds)
        group.remove(member)
        if not group.members and self._groups.get(key) is group:
            del self._groups[key]

    async def _is_to_work(self, group: Group, member: Member) -> bool:
        """Return when this one is to do the work (True), or when it is done."""
        while not group.ended:
            if group.first is member and group.worker is None:
                group.worker = member
                return True
            left = None if group.complete else group.due - self._read_for()
            if left is not None and left <= 0:
                self._end(member.key, group, _incomplete(group, self._settings.wait_seconds))
            else:
                await group.changed(left if left is None or self._held_since is None else max(left, _HELD_LOOK_SECONDS))
        if group.error is not None:
            raise group.error
        return False

    @contextmanager
    def _outcome(self, key: Key, group: Group) -> Iterator[None]:
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
            if group.faults >= _TRIES:
                self._end(key, group, FailedWithAnotherPartError(BugError(_FAULT)))
            raise
        self._end(key, group, None)
        self._remember(key, {number: copies[0].digest for number, copies in group.members.items()})

    def _end(self, key: Key, group: Group, error: FeedbackError | None) -> None:
        if self._groups.get(key) is group:
            del self._groups[key]
        group.end(error)

    def _remember(self, key: Key, digests: dict[int, bytes]) -> None:
        self._finished[key] = digests
        self._finished.move_to_end(key)
        if len(self._finished) > _FINISHED_KEPT:
            self._finished.popitem(last=False)

    def _due(self, since: datetime | None) -> float:
        age = 0.0 if since is None else max(0.0, (self._now() - since).total_seconds())
        return self._read_for() + max(self._settings.grace_seconds, self._settings.wait_seconds - age)

    def _read_for(self) -> float:
        """Seconds in which messages were read."""
        until = self._monotonic() if self._held_since is None else self._held_since
        return until - self._held_seconds


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


def _incomplete(group: Group, seconds: float) -> IncompleteRequestError:
    missing = group.missing()
    parts = f"part {_ranges(missing)}" if len(missing) == 1 else f"parts {_ranges(missing)}"
    return IncompleteRequestError(
        f"Of the {group.of} parts of the request {shown(group.head.request_id)}, {parts} did not come while the others "
        f"waited, for {seconds:g} seconds and more: send what is missing, and replay the others or send them again."
    )


def _ranges(numbers: list[int]) -> str:
    """Ascending numbers in words: `1, 3-5`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)
