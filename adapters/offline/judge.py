"""Judgements by likeness: how near a result's sentences are to the records', and the records' to the result's.

It measures closeness of meaning, not truth: a contradiction in the same words goes unseen. It is there so that the
whole system runs without a network; for an opinion that counts, set a language model as the judge.
"""

import numpy as np

from adapters.offline.embeddings import Embedder, Vectors
from adapters.offline.texts import sentences, words

MAX_SENTENCES = 24
MAX_PER_RECORD = 4
UNRELATED, SAME = 0.1, 0.7
"""Cosines that count as nothing in common, and as the same said in other words."""
LONGEST_CLEAR_SENTENCE = 35
"""Words."""


def judge(result: str, records: tuple[str, ...], embedder: Embedder) -> dict[str, float]:
    """The answer's JSON: three numbers from 0 to 1."""
    said = sentences(result, MAX_SENTENCES) or [result[:200]]
    given = _spread([piece for record in records for piece in sentences(record, MAX_PER_RECORD)] or [records[0][:200]])
    cosines = embedder.encode(said) @ embedder.encode(given).T
    return {
        "faithfulness": _share(cosines.max(axis=1), said),
        "coverage": _share(cosines.max(axis=0), given),
        "clarity": round(float(np.mean([min(1.0, LONGEST_CLEAR_SENTENCE / max(1, len(words(s)))) for s in said])), 2),
    }


def _spread(pieces: list[str]) -> list[str]:
    """At most so many of the sentences as are weighed, evenly spread."""
    return pieces[:: max(1, -(-len(pieces) // MAX_SENTENCES))]


def _share(closest: Vectors, texts: list[str]) -> float:
    """The mean closeness, longer sentences counting more, on a scale from 0 to 1."""
    scaled = np.clip((closest - UNRELATED) / (SAME - UNRELATED), 0.0, 1.0)
    return round(float(np.average(scaled, weights=[1 + len(words(text)) for text in texts])), 2)
