"""From a prompt to an answer: one door for all tasks, safe to call from any thread."""

import hashlib
import json
import threading
from collections import OrderedDict
from functools import cache
from typing import Any

from adapters.offline.analyser import analyse
from adapters.offline.classifier import FrameworkClassifier, load_libraries
from adapters.offline.coder import Coder
from adapters.offline.embeddings import Embedder, SentenceEncoder
from adapters.offline.prompt_reader import CodingTask, SummaryTask, Task, parse_framework, read
from adapters.offline.summariser import summarise

MAX_FRAMEWORKS = 32


class Engine:
    """Answers prompts. What is derived from a framework is kept by the hash of its block, for the latest 32."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder or SentenceEncoder()
        self._coder: Coder | None = None
        self._classifiers: OrderedDict[bytes, FrameworkClassifier] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, system: str, user: str) -> str:
        """The answer as JSON text.

        Raises:
            UnreadablePromptError: the prompt is not one of the product's.
        """
        task = read(system, user)
        # One at a time: the encoder keeps state, and on one interpreter lock more threads would not be faster.
        with self._lock:
            return json.dumps(self._carry_out(task), ensure_ascii=False)

    def warm_up(self) -> None:
        """Load the encoder and what codes with it, so that the first record takes no longer than the others."""
        with self._lock:
            self._coder = self._coder or Coder(self._embedder)
        load_libraries()

    def classifier(self, framework: str) -> FrameworkClassifier:
        """The classifier of a framework block, made at its first use. Not thread-safe; for benchmarks."""
        key = hashlib.blake2b(framework.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found = self._classifiers.get(key)
        if found is None:
            found = self._classifiers[key] = FrameworkClassifier(parse_framework(framework), self._embedder)
        self._classifiers.move_to_end(key)
        if len(self._classifiers) > MAX_FRAMEWORKS:
            self._classifiers.popitem(last=False)
        return found

    def _carry_out(self, task: Task) -> dict[str, Any]:
        if isinstance(task, CodingTask):
            if self._coder is None:
                self._coder = Coder(self._embedder)
            return self._coder.answer(self.classifier(task.framework), task.record, task.max_codes)
        if isinstance(task, SummaryTask):
            return summarise(task.record)
        return analyse(task.instruction, task.records, self._embedder)


@cache
def shared_engine() -> Engine:
    """One engine for the whole process: the encoder takes 70 MB."""
    return Engine()
