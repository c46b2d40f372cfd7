"""What can be learned from analysts' corrections: feedback texts with the codes that are right for them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from heapq import nlargest
from operator import attrgetter
from typing import Protocol

from schemas.corrections import CodesCorrected

MAX_LESSONS = 5_000
"""Of one framework; the newest are kept."""
MAX_LESSON_CHARACTERS = 5_000
"""Of a record's beginning: nobody learns from more of it, and memory is bounded."""
MAX_CHARACTERS = 100_000_000
"""Of all lessons together; beyond it the framework with the most of them forgets its older half."""
_SLACK = 1.2
_DIGEST_BYTES = 16

Key = tuple[str, str]
"""A tenant's id and a framework's id."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A corrected record.

    Attributes:
        content: how the record begins: the community's own text, not anonymised.
        code_ids: the codes that are right; none where no code of the framework fits.
        digest: the same for the same content.
    """

    content: str = field(repr=False)
    code_ids: tuple[str, ...]
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, content: str, code_ids: tuple[str, ...]) -> "Lesson":
        """The lesson in a corrected record, its content cut to 5,000 characters."""
        kept = content[:MAX_LESSON_CHARACTERS]
        return cls(kept, code_ids, _digest(kept))


@dataclass(frozen=True)
class Lessons:
    """What one tenant's corrections teach about one framework, at one moment; immutable.

    Attributes:
        lessons: oldest first.
    """

    tenant_id: str
    framework_id: str
    lessons: tuple[Lesson, ...] = field(repr=False)

    @cached_property
    def version(self) -> str:
        """A hash of all lessons: whoever learns from equal versions learns the same."""
        parts = (lesson.digest + "\x00".join(lesson.code_ids).encode() for lesson in self.lessons)
        return _digest(b"\x00".join(map(_digest, parts))).hex()


@dataclass(frozen=True, slots=True)
class Teaching:
    """Lessons as one prompt's framework can take them.

    Attributes:
        lessons: of the record's own tenant.
        positions: the position of each code in the prompt's framework, by the code's id.
    """

    lessons: Lessons
    positions: Mapping[str, str] = field(repr=False)

    def coded(self) -> Iterator[tuple[Lesson, tuple[str, ...]]]:
        """The lessons with the positions of their codes, oldest first.

        Codes that this version of the framework does not have are left out, and so are lessons without any other.
        """
        for lesson in self.lessons.lessons:
            known = tuple(self.positions[code] for code in lesson.code_ids if code in self.positions)
            if known:
                yield lesson, known


class LessonsCatalogue(Protocol):
    """The lessons that are known now."""

    def find(self, tenant_id: str, framework_id: str) -> Lessons | None:
        """The lessons of a tenant's framework; None where there are none. The same object until something changes."""
        ...


class NearestLessons(Protocol):
    """Finds lessons that are like a record."""

    async def nearest(self, content: str, lessons: Lessons, count: int) -> tuple[Lesson, ...]:
        """At most `count` lessons, the most alike first; one of the very same text is left out.

        Long work is done off the event loop.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Corrected:
    corrected_at: datetime
    record_id: str
    lesson: Lesson


_AGE = attrgetter("corrected_at", "record_id")


@dataclass(eq=False, slots=True)
class _Shelf:
    records: dict[str, _Corrected] = field(default_factory=dict)
    characters: int = 0
    snapshot: Lessons | None = None

    def put(self, corrected: _Corrected) -> None:
        before = self.records.get(corrected.record_id)
        self.characters += len(corrected.lesson.content) - (len(before.lesson.content) if before else 0)
        self.records[corrected.record_id] = corrected
        self.snapshot = None

    def keep_newest(self, count: int) -> None:
        kept = nlargest(count, self.records.values(), key=_AGE)
        self.records = {each.record_id: each for each in kept}
        self.characters = sum(len(each.lesson.content) for each in kept)
        self.snapshot = None


class LessonBook:
    """LessonsCatalogue in memory, fed with corrections in any order; bounded, the newest are kept.

    Of several corrections of one record and framework the latest `corrected_at` counts, as for the agreement; one
    without a content changes the codes of the record that is known. For use from one thread.

    Args:
        limit: lessons of one framework.
        max_characters: of all lessons together.
    """

    def __init__(self, limit: int = MAX_LESSONS, max_characters: int = MAX_CHARACTERS) -> None:
        self._limit, self._max_characters = limit, max_characters
        self._shelves: dict[Key, _Shelf] = {}
        self._characters = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not self._shelves

    def take(self, correction: CodesCorrected) -> bool:
        """Learn a correction; whether it changed anything."""
        key = (correction.tenant_id, correction.framework_id)
        shelf = self._shelves.get(key)
        before = shelf.records.get(correction.record_id) if shelf else None
        content = correction.content or (before.lesson.content if before else None)
        if content is None or (before is not None and correction.corrected_at < before.corrected_at):
            return False
        shelf = self._shelves.setdefault(key, _Shelf())
        self._characters -= shelf.characters
        lesson = Lesson.of(content, correction.code_ids)
        shelf.put(_Corrected(correction.corrected_at, correction.record_id, lesson))
        if len(shelf.records) > self._limit * _SLACK:
            shelf.keep_newest(self._limit)
        self._characters += shelf.characters
        self._forget()
        return before is None or before.lesson != lesson

    def find(self, tenant_id: str, framework_id: str) -> Lessons | None:
        """See `LessonsCatalogue`."""
        shelf = self._shelves.get((tenant_id, framework_id))
        if shelf is None:
            return None
        if shelf.snapshot is None:
            newest = nlargest(self._limit, shelf.records.values(), key=_AGE)
            shelf.snapshot = Lessons(tenant_id, framework_id, tuple(each.lesson for each in reversed(newest)))
        return shelf.snapshot

    def _forget(self) -> None:
        while self._characters > self._max_characters:
            largest = max(self._shelves.values(), key=lambda shelf: shelf.characters)
            self._characters -= largest.characters
            largest.keep_newest(len(largest.records) // 2)
            self._characters += largest.characters


def _digest(content: str | bytes) -> bytes:
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
