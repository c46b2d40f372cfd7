"""Gathering records that are ready at about the same time, so that one LLM call codes several of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from domain.corrections import Lessons
from domain.delivery.faults import log_fault
from domain.errors import FeedbackError, InputError, InvalidOutputError, LLMError
from domain.operations import assign_codes
from domain.operations.assign_codes import Coding
from domain.operations.coding_batch import Batch
from domain.operations.outline import Outline
from domain.operations.work import Found, JointSteps, Steps, Work
from schemas.records import FeedbackRecordSubmitted

MAX_RECORD_CHARACTERS = 4_000
"""A longer record is coded alone: the framework weighs less beside it, and others might suffer from its length."""
MAX_BATCH_CHARACTERS = 40_000

Key = tuple[str, int, int, str | None]
"""Tenant, framework at one version (as the object that it is), max_codes, output_language."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """What came of a joint call: a coding, or None, for each record; an empty one where there was no call."""

    codings: tuple[Coding | None, ...] = field(default=(), repr=False)
    model: str = ""
    prompt_version: str = ""


@dataclass(eq=False, slots=True)
class _Gathering:
    """Records that wait for each other, and then for their answer.

    Attributes:
        steps: of the first that came; the joint ones are made of them.
        records: by the order in which they came; one that is given up before the call is taken out.
        closed: set when no more may come.
        joint: made when the call begins.
        waiting: how many wait for the answer.
    """

    outline: Outline
    lessons: Lessons | None
    steps: Steps
    records: dict[int, FeedbackRecordSubmitted] = field(default_factory=dict)
    came: int = 0
    characters: int = 0
    waiting: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    joint: JointSteps | None = None
    places: dict[int, int] = field(default_factory=dict)
    task: "asyncio.Task[_Answered] | None" = None


class Batches:
    """Lets codings of one tenant, framework version and equal options share calls.

    A record waits for others as long as is set, or until the batch is full; where none came it is coded by itself, as
    is every record that the batch's answer has nothing usable for, and all of a batch whose call failed. A record's
    result names the invocation that made it: the batch's, which names no record, or its own.

    Args:
        size: records of one call, at most.
        wait_seconds: how long the first record of a batch waits.
    """

    def __init__(self, size: int, wait_seconds: float) -> None:
        self._size, self._wait_seconds = size, wait_seconds
        self._open: dict[Key, _Gathering] = {}

    def work(
        self, record: FeedbackRecordSubmitted, outline: Outline, lessons: Lessons | None, alone: Callable[[], Work]
    ) -> Work:
        """The coding of a record together with others; `alone` makes the work that codes it by itself."""
        if self._size < 2 or len(record.content) > MAX_RECORD_CHARACTERS:
            return alone()
        return _Member(self, record, outline, lessons, alone)

    def join(self, member: "_Member", steps: Steps) -> tuple[_Gathering, int]:
        """The batch that a record belongs to, and its number among those who came."""
        record = member.record
        key = record.tenant_id, id(member.outline.framework), record.max_codes, record.output_language
        gathering = self._open.get(key)
        if gathering is not None and gathering.characters + len(record.content) > MAX_BATCH_CHARACTERS:
            self._close(key, gathering)
            gathering = None
        if gathering is None:
            gathering = self._open[key] = _Gathering(member.outline, member.lessons, steps)
            gathering.task = asyncio.create_task(self._answer(key, gathering), name="coding-batch")
        number = gathering.came
        gathering.records[number] = record
        gathering.came += 1
        gathering.waiting += 1
        gathering.characters += len(record.content)
        if len(gathering.records) >= self._size:
            self._close(key, gathering)
        return gathering, number

    def _close(self, key: Key, gathering: _Gathering) -> None:
        gathering.closed.set()
        if self._open.get(key) is gathering:
            del self._open[key]

    async def _answer(self, key: Key, gathering: _Gathering) -> _Answered:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await gathering.closed.wait()
        except TimeoutError:
            pass
        finally:
            self._close(key, gathering)
        if len(gathering.records) < 2:
            return _Answered()
        gathering.places = {number: place for place, number in enumerate(gathering.records)}
        gathering.joint = gathering.steps.joint()
        return await _asked(gathering.joint, gathering)


async def _asked(joint: JointSteps, gathering: _Gathering) -> _Answered:
    """Ask. A call that fails leaves each record to itself, and so does a fault of ours: one may be to blame for it.

    Raises:
        FeedbackError: what stops the worker.
    """
    try:
        batch = Batch.of(tuple(gathering.records.values()), gathering.outline, gathering.lessons)
        prompt = batch.prompt()
        answer = await joint.ask(prompt, batch.parse)
    except (InputError, LLMError, InvalidOutputError):
        return _Answered()
    except FeedbackError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a bug, and logged
        log_fault(error, "a batch of codings")
        return _Answered()
    return _Answered(answer.value, answer.model, prompt.version)


@dataclass(frozen=True, slots=True)
class _Member:
    """One record's part in a batch: a Work like any other."""

    batches: Batches
    record: FeedbackRecordSubmitted
    outline: Outline
    lessons: Lessons | None
    alone: Callable[[], Work]

    async def run(self, steps: Steps) -> Found:
        """Wait for the others, and for the answer to all; ask alone where it has none for this record."""
        gathering, number = self.batches.join(self, steps)
        try:
            answered = await _outcome(gathering, number)
        finally:
            if gathering.joint is not None:
                steps.share(gathering.joint)
        place = gathering.places.get(number)
        coding = answered.codings[place] if place is not None and answered.codings else None
        if coding is None or gathering.joint is None:
            return await self.alone().run(steps)
        result = partial(assign_codes.result, self.record, self.outline, coding)
        made_by: UUID = gathering.joint.invocation_id
        return Found(result, answered.model, answered.prompt_version, made_by)


async def _outcome(gathering: _Gathering, number: int) -> _Answered:
    """The answer to all. One who is cancelled leaves the others to go on; the last one ends the call."""
    task = gathering.task
    assert task is not None  # noqa: S101 - set when the gathering is made
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not gathering.places:
            gathering.records.pop(number, None)
        if gathering.waiting == 1 and not task.done():
            task.cancel()
            await asyncio.wait((task,))
        raise
    finally:
        gathering.waiting -= 1
