"""Judgements by likeness: how near a result's sentences are to the records', and the records' to the result's.

It measures closeness of meaning, not truth: a contradiction in the same words goes unseen, and whether another code
would have fitted better it cannot know, as it is not shown the framework. A result that names nothing has no sentences
to compare: it is as good as the records hold nothing to be named. The judge is there so that the whole system runs
without a network; for an opinion that counts, set a language model as the judge.
"""

import numpy as np

from adapters.offline.coder import SMALL_TALK
from adapters.offline.detector import Detector
from adapters.offline.embeddings import Embedder, Vectors
from adapters.offline.prompt_reader import JudgingTask
from adapters.offline.texts import sentences, words
from domain.operations.retelling import NO_CODE, NOTHING_SENSITIVE

MAX_SENTENCES = 24
MAX_PER_RECORD = 4
UNRELATED, SAME = 0.1, 0.7
"""Cosines that count as nothing in common, and as the same said in other words."""
LONGEST_CLEAR_SENTENCE = 35
"""Words."""
SMALL_TALK_ONLY, FEEDBACK = -0.15, 0.25
"""By how much a sentence is nearer to what people tell an aid organisation than to small talk: from the first, or less,
there is nothing to code in it; from the second on there surely is. After samples/records.jsonl."""


class Judge:
    """Answers judging tasks."""

    def __init__(self, embedder: Embedder, detector: Detector) -> None:
        self._embedder = embedder
        self._detector = detector
        self._small_talk = embedder.encode(SMALL_TALK)

    def answer(self, task: JudgingTask) -> dict[str, float]:
        """The answer's JSON: three numbers from 0 to 1."""
        if task.kind == "screening" and task.result == NOTHING_SENSITIVE:
            surest = max(map(self._detector.surest, task.records))
            # The surest finding that was left out speaks against it, and even an unsure one is half of the matter.
            return _of_nothing((1.0 - surest) / 2 if surest else 1.0)
        if task.kind == "coding" and task.result.startswith(NO_CODE):
            return _of_nothing(self._small_talk_alone(task.records))
        return self._likeness(task.result, task.records)

    def _small_talk_alone(self, records: tuple[str, ...]) -> float:
        """How likely it is that no sentence of the records says anything that could be coded, 0 to 1."""
        said = self._embedder.encode(_sentences_of(records))
        feedback = float((self._detector.nearest(said) - (said @ self._small_talk.T).max(axis=1)).max())
        return float(np.clip((FEEDBACK - feedback) / (FEEDBACK - SMALL_TALK_ONLY), 0.0, 1.0))

    def _likeness(self, result: str, records: tuple[str, ...]) -> dict[str, float]:
        said = sentences(result, MAX_SENTENCES) or [result[:200]]
        given = _sentences_of(records)
        cosines = self._embedder.encode(said) @ self._embedder.encode(given).T
        clear = [min(1.0, LONGEST_CLEAR_SENTENCE / max(1, len(words(sentence)))) for sentence in said]
        return {
            "faithfulness": _share(cosines.max(axis=1), said),
            "coverage": _share(cosines.max(axis=0), given),
            "clarity": round(float(np.mean(clear)), 2),
        }


def _of_nothing(right: float) -> dict[str, float]:
    """Of a result that names nothing: what is right about it is faithful and complete at once."""
    return {"faithfulness": round(right, 2), "coverage": round(right, 2), "clarity": 1.0}


def _sentences_of(records: tuple[str, ...]) -> list[str]:
    return _spread([piece for record in records for piece in sentences(record, MAX_PER_RECORD)] or [records[0][:200]])


def _spread(pieces: list[str]) -> list[str]:
    """At most so many of the sentences as are weighed, evenly spread."""
    return pieces[:: max(1, -(-len(pieces) // MAX_SENTENCES))]


def _share(closest: Vectors, texts: list[str]) -> float:
    """The mean closeness, longer sentences counting more, on a scale from 0 to 1."""
    scaled = np.clip((closest - UNRELATED) / (SAME - UNRELATED), 0.0, 1.0)
    return round(float(np.average(scaled, weights=[1 + len(words(text)) for text in texts])), 2)
