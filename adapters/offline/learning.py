"""Classifiers that have learned from a tenant's corrections, trained beside the answering."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adapters.offline.classifier import CorrectedRecord, FrameworkClassifier
from adapters.offline.embeddings import Vectors
from domain.corrections import Lesson, Teaching

log = logging.getLogger(__name__)

MAX_TAUGHT = 16
"""Frameworks of tenants; the vectors of 5,000 corrections take 10 MB."""
GROWTH = 1.1
LEAST_SECONDS_BETWEEN = 30.0
FIRST_WAIT_SECONDS = 5.0

Key = tuple[bytes, str, str]
"""A framework's text, by its hash, the tenant's id and the framework's id: tenants learn nothing from each other."""


class Encode(Protocol):
    """Embeds a text; waits for its turn with the encoder."""

    def __call__(self, text: str) -> Vectors: ...


@dataclass(eq=False, slots=True)
class _Pupil:
    """One framework of one tenant.

    Attributes:
        classifier: the last one that was trained; None before.
        version, count, trained_at: of the lessons that were last learned from, learnt or failed at.
        vectors: of the lessons' contents, by their digests.
        idle: set while nothing is being learned.
        waited: whether an answer has waited for the first classifier.
    """

    classifier: FrameworkClassifier | None = None
    version: str | None = None
    count: int = 0
    trained_at: float = 0.0
    vectors: dict[bytes, Vectors] = field(default_factory=dict, repr=False)
    idle: threading.Event = field(default_factory=threading.Event)
    waited: bool = False


class School:
    """Trains a classifier for each framework of each tenant that has corrections, in a thread of its own.

    What is learned depends on the lessons alone, not on when or in which order they came. When it is learned does: a
    record is answered by the last classifier that is ready. The first is waited for, once and for 5 s at most; later
    ones are trained when there is a tenth more to learn, or anything new after 30 s, and nobody waits for them.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pupils: OrderedDict[Key, _Pupil] = OrderedDict()
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def classifier(
        self, framework: bytes, base: FrameworkClassifier, teaching: Teaching, encode: Encode
    ) -> FrameworkClassifier:
        """What is to answer now: the last that was trained for this framework and tenant, else `base`.

        Call it while holding nothing that `encode` waits for.
        """
        lessons = teaching.lessons
        pupil = self._pupil((framework, lessons.tenant_id, lessons.framework_id))
        with self._lock:
            due = pupil.idle.is_set() and self._is_due(pupil, teaching)
            if due:
                pupil.idle.clear()
        if due:
            # A daemon: a process that ends does not wait for what nobody will use any more.
            threading.Thread(
                target=self._train, args=(pupil, base, teaching, encode), name="offline-learning", daemon=True
            ).start()
        if not pupil.waited:
            pupil.idle.wait(FIRST_WAIT_SECONDS)
            pupil.waited = True
        return pupil.classifier or base

    def settle(self) -> None:
        """Return when nothing is being learned. For tests and benchmarks."""
        for pupil in list(self._pupils.values()):
            pupil.idle.wait()

    def _pupil(self, key: Key) -> _Pupil:
        with self._lock:
            found = self._pupils.get(key)
            if found is None:
                found = self._pupils[key] = _Pupil()
                found.idle.set()
            self._pupils.move_to_end(key)
            if len(self._pupils) > MAX_TAUGHT:
                self._pupils.popitem(last=False)
            return found

    def _is_due(self, pupil: _Pupil, teaching: Teaching) -> bool:
        if pupil.version is None:
            return True
        if len(teaching.lessons.lessons) < GROWTH * pupil.count and (
            self._clock() - pupil.trained_at < LEAST_SECONDS_BETWEEN
        ):
            return False
        return pupil.version != teaching.lessons.version

    def _train(self, pupil: _Pupil, base: FrameworkClassifier, teaching: Teaching, encode: Encode) -> None:
        try:
            with self._one_at_a_time:
                coded = list(teaching.coded())
                vectors = _vectors(pupil, [lesson for lesson, _ in coded], encode)
                records = [CorrectedRecord(vectors[lesson.digest], positions) for lesson, positions in coded]
                pupil.vectors = vectors
                pupil.classifier = base.taught(records)
        except Exception as error:  # noqa: BLE001 - whatever it is, the last classifier goes on
            log.error("corrections could not be learned from (%s)", type(error).__name__)  # noqa: TRY400 - no text
        finally:
            pupil.version, pupil.count = teaching.lessons.version, len(teaching.lessons.lessons)
            pupil.trained_at = self._clock()
            pupil.idle.set()


def _vectors(pupil: _Pupil, lessons: Sequence[Lesson], encode: Encode) -> dict[bytes, Vectors]:
    """The vectors of all lessons, only those embedded that are new."""
    found: dict[bytes, Vectors] = {}
    for lesson in lessons:
        known = found.get(lesson.digest)
        if known is None:
            known = pupil.vectors.get(lesson.digest)
        found[lesson.digest] = encode(lesson.content) if known is None else known
    return found
