"""What can be learned from analysts' corrections: feedback texts with the codes that are right for them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
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
_LESSON_COST = 1_000
"""What a lesson takes besides its own characters, in characters: objects, and a place in its framework's shelf."""
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
        record_id: which record it was, of the lessons' tenant.
        digest: the same for the same content.
    """

    content: str = field(repr=False)
    code_ids: tuple[str, ...]
    record_id: str
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, content: str, code_ids: tuple[str, ...], record_id: str) -> "Lesson":
        """The lesson in a corrected record, its content cut to 5,000 characters."""
        kept = content[:MAX_LESSON_CHARACTERS]
        return cls(kept, code_ids, record_id, _digest(kept))


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

    def without_code(self) -> int:
        """How many lessons say that no code fits: examples for a model that is shown some, and nothing to train on."""
        return sum(not lesson.code_ids for lesson in self.lessons.lessons)

    def unknown(self) -> tuple[str, ...]:
        """The ids of codes that this version of the framework does not have, each once, oldest lesson first."""
        ids = (code for lesson in self.lessons.lessons for code in lesson.code_ids)
        return tuple(dict.fromkeys(code for code in ids if code not in self.positions))


class LessonsCatalogue(Protocol):
    """The lessons that are known now."""

    def find(self, tenant_id: str, framework_id: str) -> Lessons | None:
        """The lessons of a tenant's framework; None where there are none. The same object until something changes."""
        ...


class NearestLessons(Protocol):
    """Finds lessons that are like a record."""

    async def nearest(self, content: str, record_id: str, lessons: Lessons, count: int) -> tuple[Lesson, ...]:
        """At most `count` lessons, the most alike first; that of the record itself is left out.

        Long work is done off the event loop.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Corrected:
    """The latest that is known of one record; `content` None: a correction that named it came, and its text not yet."""

    corrected_at: datetime
    record_id: str
    code_ids: tuple[str, ...]
    content: str | None = field(repr=False)
    content_at: datetime

    @classmethod
    def by(cls, correction: CodesCorrected) -> "_Corrected":
        content = correction.content and correction.content[:MAX_LESSON_CHARACTERS]
        at = correction.corrected_at
        return cls(at, correction.record_id, correction.code_ids, content or None, at)

    def joined(self, other: "_Corrected") -> "_Corrected":
        """The codes of the later of two corrections of a record, and the text of the latest that has one."""
        later = other if other.corrected_at >= self.corrected_at else self
        told = [each for each in (self, other) if each.content]
        if not told:
            return later
        newest = max(told, key=attrgetter("content_at"))
        return replace(later, content=newest.content, content_at=newest.content_at)

    @property
    def weight(self) -> int:
        """Characters in memory, about."""
        return len(self.content or "") + sum(map(len, self.code_ids)) + len(self.record_id) + _LESSON_COST

    @property
    def taught(self) -> tuple[str, tuple[str, ...]] | None:
        """What can be learned from it."""
        return (self.content, self.code_ids) if self.content else None


_AGE = attrgetter("corrected_at", "record_id")


@dataclass(eq=False, slots=True)
class _Shelf:
    records: dict[str, _Corrected] = field(default_factory=dict)
    weight: int = 0
    snapshot: Lessons | None = None

    def put(self, corrected: _Corrected) -> None:
        before = self.records.get(corrected.record_id)
        self.weight += corrected.weight - (before.weight if before else 0)
        self.records[corrected.record_id] = corrected
        self.snapshot = None

    def keep_newest(self, count: int) -> None:
        kept = nlargest(count, self.records.values(), key=_AGE)
        self.records = {each.record_id: each for each in kept}
        self.weight = sum(each.weight for each in kept)
        self.snapshot = None

    def lessons(self, key: Key, limit: int) -> Lessons | None:
        if self.snapshot is None:
            newest = nlargest(limit, (each for each in self.records.values() if each.content), key=_AGE)
            taught = (Lesson.of(each.content or "", each.code_ids, each.record_id) for each in reversed(newest))
            self.snapshot = Lessons(*key, tuple(taught))
        return self.snapshot if self.snapshot.lessons else None


class LessonBook:
    """LessonsCatalogue in memory, fed with corrections in any order; bounded, the newest are kept.

    Of several corrections of one record and framework the latest `corrected_at` counts, as for the agreement; one
    without a content changes the codes of the record, whose text another one brings. For use from one thread.

    Args:
        limit: lessons of one framework.
        max_characters: of all lessons together, with what each takes besides its text.
    """

    def __init__(self, limit: int = MAX_LESSONS, max_characters: int = MAX_CHARACTERS) -> None:
        self._limit, self._max_characters = limit, max_characters
        self._shelves: dict[Key, _Shelf] = {}
        self._weight = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not self._shelves

    def take(self, correction: CodesCorrected) -> bool:
        """Learn a correction; whether that changed what can be learned."""
        shelf = self._shelves.setdefault((correction.tenant_id, correction.framework_id), _Shelf())
        before, now = shelf.records.get(correction.record_id), _Corrected.by(correction)
        if before is not None:
            now = before.joined(now)
        if now == before:
            return False
        self._weight -= shelf.weight
        shelf.put(now)
        if len(shelf.records) > self._limit * _SLACK:
            shelf.keep_newest(self._limit)
        self._weight += shelf.weight
        self._forget()
        return now.taught != (before.taught if before else None)

    def find(self, tenant_id: str, framework_id: str) -> Lessons | None:
        """See `LessonsCatalogue`."""
        key = (tenant_id, framework_id)
        shelf = self._shelves.get(key)
        return shelf.lessons(key, self._limit) if shelf else None

    def _forget(self) -> None:
        while self._weight > self._max_characters:
            key, largest = max(self._shelves.items(), key=lambda item: item[1].weight)
            self._weight -= largest.weight
            largest.keep_newest(len(largest.records) // 2)
            self._weight += largest.weight
            if not largest.records:
                del self._shelves[key]


def _digest(content: str | bytes) -> bytes:
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
