"""Screening by likeness: which of our own example sentences of each kind of sensitive content a record is near to.

It prefers a finding too many to one too few, and understands nothing: hints, irony and what stands between the lines
escape it, and so does what comes after the first 60 sentences, unless a word betrays it. Nobody's safety should hang on
it; for that, set a language model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from adapters.offline.classifier import Scores
from adapters.offline.coder import SAYS
from adapters.offline.embeddings import Embedder, Vectors, one_thread
from adapters.offline.texts import sentences

MAX_SENTENCES = 60
LEAST_LIKENESS = 0.3
"""The least cosine of a sentence with an example sentence of a kind."""
BESIDE_THE_BEST = 0.12
"""A kind is named where it is at most so much further away than the nearest one."""
REGULARISATION, MARGIN_WEIGHT = 1.0, 16.0
"""How far the regression is held back, and what a cosine counts that a sentence is nearer to a kind than to everyday
feedback. Chosen on that half of samples/screening.jsonl which is not held out."""
SIGN = 0.6
"""The confidence of a kind that a word by itself points to."""
SURE = 0.8
"""The cosine from which it claims to be as sure as it ever is."""
MOST_CONFIDENCE = 0.9
_EVERYDAY = ""


@dataclass(slots=True)
class _Kind:
    """What is known of one kind: example sentences, and beginnings of words as a pattern."""

    examples: list[str] = field(default_factory=list)
    signs: list[str] = field(default_factory=list)


@cache
def kinds() -> Mapping[str, _Kind]:
    """The kinds of `sensitive_phrases.txt` by their ids; "" is everyday feedback."""
    found: dict[str, _Kind] = {}
    kind = _Kind()
    for line in files(__package__).joinpath("sensitive_phrases.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            kind = found.setdefault(line.strip("[]"), _Kind())
        elif line.startswith("~"):
            kind.signs += line[1:].split()
        elif line and not line.startswith("#"):
            kind.examples.append(line)
    return found


class Detector:
    """Answers screening tasks."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors = {kind: embedder.encode(known.examples) for kind, known in kinds().items()}
        self._regression = _Regression(self._vectors)
        self._signs = {kind: _pattern(known.signs) for kind, known in kinds().items() if known.signs}

    def answer(self, record: str, types: Sequence[str]) -> dict[str, Any]:
        """The answer's JSON, for those of the types that it knows, most confident first."""
        asked = [kind for kind in dict.fromkeys(types) if kind in self._vectors and kind != _EVERYDAY]
        found = self._likenesses(record, asked)
        for kind in asked:
            if kind in self._signs and self._signs[kind].search(record):
                near = found.get(kind)
                found[kind] = (max(SIGN, near[0] if near else 0.0), near[1] if near else "a word that points to it")
        ordered = sorted(found, key=lambda kind: (-found[kind][0], asked.index(kind)))
        return {
            "findings": [
                {"type": kind, "confidence": found[kind][0], "reason": f"{SAYS}: {found[kind][1]}"} for kind in ordered
            ]
        }

    def surest(self, record: str) -> float:
        """How sure it is of the surest finding of any kind; 0 where it finds nothing."""
        findings = self.answer(record, tuple(self._vectors))["findings"]
        return float(findings[0]["confidence"]) if findings else 0.0

    def nearest(self, said: Vectors) -> Vectors:
        """For each sentence its cosine with the nearest example of what people tell, sensitive or everyday feedback."""
        return np.asarray((said @ np.concatenate([*self._vectors.values()]).T).max(axis=1), dtype=np.float32)

    def _likenesses(self, record: str, asked: Sequence[str]) -> dict[str, tuple[float, str]]:
        """For each kind that a sentence is near to: how sure that makes, and to which example."""
        said = self._embedder.encode(sentences(record, MAX_SENTENCES) or [record[:200]])
        nearness = {kind: said @ self._vectors[kind].T for kind in asked}
        if not nearness:
            return {}
        best = np.max([each.max(axis=1) for each in nearness.values()], axis=0)
        margin = best - (said @ self._vectors[_EVERYDAY].T).max(axis=1)
        least = np.maximum(LEAST_LIKENESS, best - BESIDE_THE_BEST)
        least[self._regression.logits(said) + MARGIN_WEIGHT * margin < 0] = np.inf  # everyday feedback
        found = {}
        for kind, cosines in nearness.items():
            near = np.where(cosines.max(axis=1) >= least, cosines.max(axis=1), -1.0)
            at = int(near.argmax())
            if near[at] > 0:
                example = kinds()[kind].examples[int(cosines[at].argmax())]
                found[kind] = (_confidence(float(near[at])), f"close to «{example}»")
        return found


class _Regression:
    """Tells everyday feedback from all that is sensitive, by a logistic regression over the example sentences."""

    def __init__(self, vectors: Mapping[str, Vectors]) -> None:
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped, unused-ignore]

        one_thread()
        labels = np.concatenate([np.full(len(each), kind != _EVERYDAY) for kind, each in vectors.items()])
        model = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=200)
        model.fit(np.concatenate([*vectors.values()]).astype(np.float64), labels)
        self._coefficients, self._intercept = model.coef_[0].astype(np.float32), float(model.intercept_[0])

    def logits(self, vectors: Vectors) -> Scores:
        """For each sentence how much likelier it is to be sensitive than everyday feedback; 0: as likely."""
        return np.asarray(vectors @ self._coefficients + self._intercept, dtype=np.float64)


def _confidence(cosine: float) -> float:
    """From 0.2 at the least likeness, in a straight line."""
    share = (cosine - LEAST_LIKENESS) / (SURE - LEAST_LIKENESS)
    return round(min(MOST_CONFIDENCE, 0.2 + share * (MOST_CONFIDENCE - 0.2)), 2)


def _pattern(signs: Sequence[str]) -> re.Pattern[str]:
    """Signs at the beginning of a word; in Arabic, where prefixes are written together with the word, anywhere."""
    return re.compile("|".join(map(_sign, signs)), re.IGNORECASE)


def _sign(sign: str) -> str:
    stem = re.escape(sign.removesuffix("$").replace("_", " "))
    start = "" if "\u0600" <= sign[0] <= "\u06ff" else r"\b"
    return start + stem + (r"\b" if sign.endswith("$") else "")
