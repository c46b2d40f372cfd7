"""Asking the same question of each chunk, many at a time; a chunk that cannot be read is named and left out."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from domain.errors import DeadlineExceededError, FeedbackError, InvalidOutputError, LLMError, TooLargeError
from domain.llm.calls import Prompt
from domain.llm.conversation import Answer
from domain.operations.many.chunks import Chunk
from domain.operations.many.limits import MAX_EXCLUDED_CHUNKS, MAX_EXCLUDED_ID_BYTES, Limits
from domain.operations.many.parallel import in_parallel
from domain.operations.many.progress import Progress
from domain.operations.work import Steps
from domain.sizes import bytes_in_json
from schemas.results import ExcludedChunk

T = TypeVar("T")

_A_MOMENT = 0.05
_OF_THE_CHUNK = (InvalidOutputError, LLMError, DeadlineExceededError, TooLargeError)
"""What leaves a chunk out. A provider that refuses everyone, a broker that is away and bugs are no chunk's fault."""


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """What is asked of a chunk: made when its turn comes, so that not all prompts are in memory at once.

    Attributes:
        prompt: makes the prompt.
        parse: understands the answer, given how many records the chunk has.
    """

    prompt: Callable[[Chunk], Prompt]
    parse: Callable[[str, int], T]


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A chunk that was read, and what was found."""

    chunk: Chunk
    found: T = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mapped(Generic[T]):
    """All chunks.

    Attributes:
        read: those that were read, in their order; at least one.
        excluded: the others, in their order, as far as a result lists them.
        excluded_left_out: how many more of them there are.
        records: how many records were read.
    """

    read: tuple[Read[T], ...]
    excluded: tuple[ExcludedChunk, ...]
    excluded_left_out: int
    records: int


async def read_chunks(
    steps: Steps, chunks: Sequence[Chunk], question: Question[T], limits: Limits, progress: Progress
) -> Mapped[T]:
    """Ask about each chunk.

    Some of the invocation's time is kept for what comes after; a chunk that is not read by then is left out.

    Raises:
        InvalidOutputError, LLMError, DeadlineExceededError, TooLargeError: no chunk could be read; it is the first
            one's error.
    """
    kept = steps.remaining_seconds() * limits.kept_for_reduce

    async def read(chunk: Chunk) -> Read[T] | FeedbackError:
        outcome: Read[T] | FeedbackError
        try:
            answer = await _in_time(steps, kept, partial(_ask, steps, chunk, question))
            outcome = Read(chunk, answer.value)
        except _OF_THE_CHUNK as error:
            outcome = error
        await progress.read(len(chunk.records) if isinstance(outcome, Read) else 0)
        return outcome

    await progress.reading(len(chunks))
    outcomes = await in_parallel((partial(read, chunk) for chunk in chunks), limits.calls_at_once)
    done = tuple(outcome for outcome in outcomes if isinstance(outcome, Read))
    failed = [(chunk, error) for chunk, error in zip(chunks, outcomes, strict=True) if isinstance(error, FeedbackError)]
    if not done:
        raise failed[0][1]
    excluded = _excluded(failed[:MAX_EXCLUDED_CHUNKS])
    return Mapped(done, excluded, len(failed) - len(excluded), sum(len(one.chunk.records) for one in done))


async def _ask(steps: Steps, chunk: Chunk, question: Question[T]) -> Answer[T]:
    records = len(chunk.records)
    return await steps.ask(question.prompt(chunk), lambda text: question.parse(text, records))


async def _in_time(steps: Steps, kept: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do it while more time is left than is kept. The invocation's clock may stand still: it is asked again and again.

    Raises:
        DeadlineExceededError: the time was over.
    """
    task: asyncio.Task[T] | None = None
    try:
        while (left := steps.remaining_seconds() - kept) > 0:
            task = task or asyncio.create_task(work())
            done, _ = await asyncio.wait({task}, timeout=max(left, _A_MOMENT))
            if done:
                return task.result()
    finally:
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})
    raise DeadlineExceededError("The time for reading the records was over before this part of them was read.")


def _excluded(failed: Sequence[tuple[Chunk, FeedbackError]]) -> tuple[ExcludedChunk, ...]:
    """Chunks and why they are left out; their records' ids, chunk by chunk, as far as these fit."""
    taken = 0
    excluded = []
    for chunk, error in failed:
        ids = tuple(record.record_id for record in chunk.records)
        taken += bytes_in_json(ids)
        excluded.append(
            ExcludedChunk(
                number=chunk.number,
                records=len(ids),
                record_ids=ids if taken <= MAX_EXCLUDED_ID_BYTES else (),
                reason=error.reason,
            )
        )
    return tuple(excluded)
