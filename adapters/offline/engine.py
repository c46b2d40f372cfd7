"""From a prompt to an answer: one door for all tasks, safe to call from any thread."""

import hashlib
import json
import threading
from collections import OrderedDict
from functools import cache
from typing import Any

from adapters.offline.classifier import FrameworkClassifier, load_libraries
from adapters.offline.coder import Coder
from adapters.offline.detector import Detector
from adapters.offline.embeddings import Embedder, SentenceEncoder, Vectors
from adapters.offline.judge import Judge
from adapters.offline.learning import School
from adapters.offline.over_many import over_many
from adapters.offline.prompt_reader import (
    BatchTask,
    CodingTask,
    JudgingTask,
    ScreeningTask,
    SummaryTask,
    Task,
    parse_framework,
    read,
)
from adapters.offline.summariser import summarise
from domain.corrections import Teaching

MAX_FRAMEWORKS = 32


class Engine:
    """Answers prompts. What is derived from a framework is kept by the hash of its block, for the latest 32.

    Attributes:
        school: has what was learned from corrections.
    """

    def __init__(self, embedder: Embedder | None = None) -> None:
        self.school = School()
        self._embedder = embedder or SentenceEncoder()
        self._coder: Coder | None = None
        self._detector: Detector | None = None
        self._judge: Judge | None = None
        self._classifiers: OrderedDict[bytes, FrameworkClassifier] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, system: str, user: str, teaching: Teaching | None = None) -> str:
        """The answer as JSON text; of a coding, by what was learned from its tenant's corrections, if there are any.

        Raises:
            UnreadablePromptError: the prompt is not one of the product's.
        """
        task = read(system, user)
        classifier = self.classifier_for(task, teaching) if isinstance(task, CodingTask | BatchTask) else None
        # One at a time: the encoder keeps state, and on one interpreter lock more threads would not be faster.
        with self._lock:
            return json.dumps(self._carry_out(task, classifier), ensure_ascii=False)

    def warm_up(self) -> None:
        """Load the encoder and what codes with it, so that the first record takes no longer than the others."""
        with self._lock:
            self._coder = self._coder or Coder(self._embedder)
        load_libraries()

    def classifier(self, framework: str) -> FrameworkClassifier:
        """The classifier of a framework block, made at its first use. Not thread-safe; for benchmarks."""
        key = _hash_of(framework)
        found = self._classifiers.get(key)
        if found is None:
            found = self._classifiers[key] = FrameworkClassifier(parse_framework(framework), self._embedder)
        self._classifiers.move_to_end(key)
        if len(self._classifiers) > MAX_FRAMEWORKS:
            self._classifiers.popitem(last=False)
        return found

    def classifier_for(self, task: CodingTask | BatchTask, teaching: Teaching | None) -> FrameworkClassifier:
        """The classifier that is to code a record."""
        with self._lock:
            base = self.classifier(task.framework)
        if teaching is None or not teaching.lessons.lessons:
            return base

        def encode(text: str) -> Vectors:
            with self._lock:
                return base.vector(text)

        return self.school.classifier(_hash_of(task.framework), base, teaching, encode)

    def _carry_out(self, task: Task, classifier: FrameworkClassifier | None) -> dict[str, Any]:
        if isinstance(task, CodingTask):
            self._coder = self._coder or Coder(self._embedder)
            return self._coder.answer(classifier or self.classifier(task.framework), task.record, task.max_codes)
        if isinstance(task, BatchTask):
            return self._batch(task, classifier or self.classifier(task.framework))
        if isinstance(task, SummaryTask):
            return summarise(task.record)
        if isinstance(task, ScreeningTask):
            self._detector = self._detector or Detector(self._embedder)
            return self._detector.answer(task.record, task.types)
        if isinstance(task, JudgingTask):
            self._detector = self._detector or Detector(self._embedder)
            self._judge = self._judge or Judge(self._embedder, self._detector)
            return self._judge.answer(task)
        return over_many(task, self._embedder)

    def _batch(self, task: BatchTask, classifier: FrameworkClassifier) -> dict[str, Any]:
        """What each record would get by itself, under its number and check."""
        coder = self._coder = self._coder or Coder(self._embedder)
        codings = [
            {"record": number, "check": check, **coder.answer(classifier, record, task.max_codes)}
            for number, check, record in task.records
        ]
        return {"records": codings}


def _hash_of(framework: str) -> bytes:
    return hashlib.blake2b(framework.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@cache
def shared_engine() -> Engine:
    """One engine for the whole process: the encoder takes 70 MB."""
    return Engine()
