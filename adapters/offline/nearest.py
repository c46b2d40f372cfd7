"""The corrected records that are most like a record, by multilingual sentence embeddings, whatever model codes it."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from adapters.offline.embeddings import Embedder, SentenceEncoder, Vectors
from adapters.offline.texts import sentences, weights
from domain.corrections import Lesson, Lessons

MAX_SENTENCES = 8
MAX_VECTORS = 50_000
"""2 KB each; those that were not asked for the longest are embedded again when they are."""
NEW_AT_ONCE = 200
"""So many lessons are embedded for one record, which takes about 0.3 s: a backlog is worked off over several."""


class EmbeddedLessons:
    """NearestLessons in a thread of its own, one record after the other, so that the event loop stays free.

    Lessons that have not been embedded yet are found later: 200 more, the newest first, with each record.

    Args:
        embedder: makes the vectors; used in that thread only.
    """

    def __init__(self, embedder: Callable[[], Embedder] = SentenceEncoder) -> None:
        self._make = embedder
        self._embedder: Embedder | None = None
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nearest-lessons")

    async def nearest(self, content: str, record_id: str, lessons: Lessons, count: int) -> tuple[Lesson, ...]:
        """See `NearestLessons`. Of equal likeness, the newest comes first."""
        find = partial(self._nearest, content, record_id, lessons, count)
        return await asyncio.get_running_loop().run_in_executor(self._thread, find)

    async def aclose(self) -> None:
        """Let the thread end; what is still queued is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _nearest(self, content: str, record_id: str, lessons: Lessons, count: int) -> tuple[Lesson, ...]:
        known = [lesson for lesson in self._embedded(lessons) if lesson.record_id != record_id]
        if not known:
            return ()
        likeness = np.stack([self._vectors[lesson.digest] for lesson in known]) @ self._vector(content)
        best = np.argsort(-likeness, kind="stable")[:count]
        return tuple(known[int(number)] for number in best)

    def _embedded(self, lessons: Lessons) -> list[Lesson]:
        """The lessons that have vectors, the newest first; some more have them from now on."""
        found, new = [], 0
        for lesson in reversed(lessons.lessons):
            if lesson.digest not in self._vectors:
                if new == NEW_AT_ONCE:
                    continue
                new += 1
                self._vectors[lesson.digest] = self._vector(lesson.content)
            self._vectors.move_to_end(lesson.digest)
            found.append(lesson)
        while len(self._vectors) > max(MAX_VECTORS, len(found)):
            self._vectors.popitem(last=False)
        return found

    def _vector(self, text: str) -> Vectors:
        if self._embedder is None:
            self._embedder = self._make()
        pieces = sentences(text, MAX_SENTENCES) or [text[:100]]
        mean = weights(pieces) @ self._embedder.encode(pieces)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), dtype=np.float32)
