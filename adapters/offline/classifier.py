"""What is learned from a coding framework's own words, and how a text is weighed against its codes.

Three kinds of evidence are added up, for each code without codes below it:

1. a logistic regression over the embedded names, descriptions and examples (meaning, in any of 16 languages);
2. the likeness of character n-grams (the same words, in the framework's own language; near nothing for another
   script, so that the embeddings decide alone there);
3. whether the text does what the code collects (asks, requests, states, praises), where a framework sorts by that.

Where analysts have corrected codings, the regression is fitted to the corrected records, too (`taught`); from anything
else nothing is learned. scikit-learn, which takes a second, is imported by `load_libraries`, or when the first
framework comes. The few numbers below hold for every framework.
"""

import importlib
import warnings
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters.offline.embeddings import Embedder, Vectors, one_thread
from adapters.offline.ngrams import NgramIndex
from adapters.offline.prompt_reader import FrameworkCode
from adapters.offline.speech_acts import acts_of, acts_of_code
from adapters.offline.texts import sentences, weights

REGULARISATION = 10.0
TAUGHT_REGULARISATION = 30.0
RECORD_WEIGHT = 4.0
"""How much a corrected record counts beside one text of the framework. This and the regularisation are from a
cross-validation over corrections alone; twice or half of either changes next to nothing."""
MAX_LEAVES_OF_A_RECORD = 10
"""A record that was given a code with more leaves below says too little about any of them."""
NGRAM_WEIGHT = 20.0
ACT_WEIGHT = 2.0
SHARE_WITH_ACTS = 0.8
MAX_SENTENCES = 8
MAX_REGRESSION_SIZE = 2_500_000
PROTOTYPE_SCALE = 12.0
MAX_KNOWN_RECORDS = 1_000
"""So many of the latest corrected records count in `Scored.closest`; each text is compared with all of them."""

Scores = npt.NDArray[np.float64]


def load_libraries() -> None:
    """Import what the first framework needs, before it comes."""
    for module in ("sklearn.linear_model", "sklearn.feature_extraction.text"):
        importlib.import_module(module)
    one_thread()


@dataclass(frozen=True, slots=True)
class Scored:
    """A text against every leaf of a framework.

    Attributes:
        probabilities: one for each leaf, summing up to 1.
        similarities: the cosine of the text with each of the framework's texts.
        likeness: the best n-gram likeness with a leaf.
        sentences: the vectors of the sentences that were weighed.
        closest: for each of them, its best cosine with any text of the framework, or with a late corrected record.
    """

    probabilities: Scores
    similarities: Scores
    likeness: float
    sentences: Vectors
    closest: Vectors


@dataclass(frozen=True, slots=True)
class _Corpus:
    """The framework's texts: which leaf each belongs to, and how much it counts there."""

    texts: tuple[str, ...]
    leaf: npt.NDArray[np.int64]
    weight: Scores


@dataclass(frozen=True, slots=True)
class CorrectedRecord:
    """A record whose right codes are known.

    Attributes:
        vector: what `FrameworkClassifier.vector` makes of its text.
        positions: of its codes.
    """

    vector: Vectors
    positions: tuple[str, ...]


class FrameworkClassifier:
    """Weighs texts against one framework. Deterministic; not thread-safe where its embedder is not.

    Attributes:
        codes: of the framework, by their positions.
        leaves: those without codes below them, in the framework's order.
        corrections: how many corrected records it has learned from.
    """

    corrections = 0

    def __init__(self, codes: Sequence[FrameworkCode], embedder: Embedder) -> None:
        self._embedder = embedder
        self.codes = {code.position: code for code in codes}
        parents = {code.position.rpartition(".")[0] for code in codes}
        self.leaves = tuple(code for code in codes if code.position not in parents)
        self._below = self._leaves_below()
        self._corpus = self._collect()
        self._vectors = embedder.encode(self._corpus.texts)
        self._acts = self._act_profile()
        self._ngrams = self._ngram_index()
        self._known = self._vectors
        self._fit_meaning(self._vectors, self._corpus.leaf, self._corpus.weight)

    def vector(self, text: str) -> Vectors:
        """What a text means, as one row of unit length."""
        pieces, shares = _pieces(text)
        return _unit(shares @ self._embedder.encode(pieces))

    def taught(self, records: Sequence[CorrectedRecord]) -> "FrameworkClassifier":
        """Another classifier, which has learned from corrected records, from the last ones where they are too many.

        Safe beside `score` in another thread, as it embeds nothing.
        """
        rows = [row for record in records for row in self._rows(record)]
        room = MAX_REGRESSION_SIZE // len(self.leaves) - len(self._corpus.texts)
        if room > 0:
            rows = rows[-room:]
        if not rows:
            return self
        found = copy(self)
        found.corrections = len(records)
        vectors = np.stack([vector for vector, _, _ in rows])
        found._known = np.vstack([self._vectors, *(record.vector for record in records[-MAX_KNOWN_RECORDS:])])
        found._fit_meaning(
            np.vstack([self._vectors, vectors]),
            np.append(self._corpus.leaf, [leaf for _, leaf, _ in rows]),
            np.append(self._corpus.weight, [weight for _, _, weight in rows]),
            TAUGHT_REGULARISATION,
        )
        return found

    def _rows(self, record: CorrectedRecord) -> Iterator[tuple[Vectors, int, float]]:
        for position in record.positions:
            below = self._below.get(position, [])
            if len(below) <= MAX_LEAVES_OF_A_RECORD:
                weight = RECORD_WEIGHT / (len(below) * len(record.positions)) if below else 0.0
                yield from ((record.vector, leaf, weight) for leaf in below)

    def path(self, position: str) -> tuple[FrameworkCode, ...]:
        """A code and those above it, from the root down, as far as the prompt names them."""
        steps = position.split(".")
        above = (".".join(steps[: depth + 1]) for depth in range(len(steps)))
        return tuple(self.codes[each] for each in above if each in self.codes)

    def leaves_below(self, position: str) -> list[list[int]]:
        """For each level of a code's path, from the root down, the leaves at or under it, by their number."""
        steps = position.split(".")
        return [self._below[".".join(steps[:depth])] for depth in range(1, len(steps) + 1)]

    def score(self, text: str) -> Scored:
        """Weigh a text against every leaf."""
        pieces, shares = _pieces(text)
        vectors = self._embedder.encode(pieces)
        whole = _unit(shares @ vectors)
        likeness = self._ngrams.likeness(pieces, shares)
        logits = self._meaning(whole) + NGRAM_WEIGHT * likeness + ACT_WEIGHT * (self._acts @ acts_of(text))
        similarities = np.asarray(self._vectors @ whole, dtype=np.float64)
        closest = (self._known @ vectors.T).max(axis=0)
        return Scored(_softmax(logits), similarities, float(likeness.max()), vectors, closest)

    def closest_text(self, scored: Scored, leaf: int) -> str:
        """The leaf's own text (name, description, example) that a scored text is nearest to."""
        own = np.flatnonzero((self._corpus.leaf == leaf) & (self._corpus.weight == 1.0))
        return self._corpus.texts[int(own[np.argmax(scored.similarities[own])])]

    def _leaves_below(self) -> dict[str, list[int]]:
        below: dict[str, list[int]] = {}
        for number, leaf in enumerate(self.leaves):
            steps = leaf.position.split(".")
            for depth in range(1, len(steps) + 1):
                below.setdefault(".".join(steps[:depth]), []).append(number)
        return below

    def _collect(self) -> _Corpus:
        texts: list[str] = []
        leaf: list[int] = []
        weight: list[float] = []
        siblings: dict[str, int] = {}
        for code in self.leaves:
            above = code.position.rpartition(".")[0]
            siblings[above] = siblings.get(above, 0) + 1
        for number, code in enumerate(self.leaves):
            above = code.position.rpartition(".")[0]
            parent = self.codes.get(above)
            own = _texts_of(code, parent)
            shared = _extra_texts(parent) if parent else []
            texts += own + shared
            leaf += [number] * (len(own) + len(shared))
            weight += [1.0] * len(own) + [1.0 / (1 + siblings[above])] * len(shared)
        return _Corpus(tuple(texts), np.array(leaf), np.array(weight))

    def _act_profile(self) -> Scores:
        profile = np.stack(
            [acts_of_code(tuple(step.name for step in self.path(leaf.position))) for leaf in self.leaves]
        )
        sorted_by_acts = profile.any(axis=1).mean() >= SHARE_WITH_ACTS and len(np.unique(profile, axis=0)) > 1
        return profile if sorted_by_acts else np.zeros_like(profile)

    def _ngram_index(self) -> NgramIndex:
        documents: list[list[str]] = [[] for _ in self.leaves]
        for text, leaf, weight in zip(self._corpus.texts, self._corpus.leaf, self._corpus.weight, strict=True):
            if weight == 1.0:
                documents[leaf].append(text)
        return NgramIndex([" ".join(document) for document in documents])

    def _fit_meaning(
        self, vectors: Vectors, leaf: npt.NDArray[np.int64], weight: Scores, regularisation: float = REGULARISATION
    ) -> None:
        count = len(self.leaves)
        self._regression: tuple[Vectors, Scores] | None = None
        if count > 2 and count * len(vectors) <= MAX_REGRESSION_SIZE:
            self._regression = _regression(vectors, leaf, weight, regularisation)
        else:
            # A regression's time grows with codes x texts: very large frameworks take the mean vector of each code.
            sums = np.zeros((count, vectors.shape[1]))
            np.add.at(sums, leaf, weight[:, None] * vectors)
            self._prototypes = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)

    def _meaning(self, whole: Vectors) -> Scores:
        if self._regression is None:
            logits = PROTOTYPE_SCALE * (self._prototypes @ whole)
        else:
            coefficients, intercept = self._regression
            logits = coefficients @ whole + intercept
        return np.log(np.maximum(_softmax(logits), 1e-300))


def _texts_of(code: FrameworkCode, parent: FrameworkCode | None) -> list[str]:
    """A leaf's own texts: its name alone and under its parent's, its description whole and in sentences, examples."""
    texts = [code.name, f"{parent.name} - {code.name}" if parent else code.name]
    return texts + _extra_texts(code)


def _extra_texts(code: FrameworkCode) -> list[str]:
    texts: list[str] = []
    if code.description:
        texts.append(code.description)
        parts = sentences(code.description, MAX_SENTENCES)
        texts += parts if len(parts) > 1 else []
    return texts + list(code.examples)


def _regression(
    vectors: Vectors, leaf: npt.NDArray[np.int64], weight: Scores, regularisation: float
) -> tuple[Vectors, Scores]:
    """Coefficients, shape (leaves, dimensions), and intercepts of a multinomial logistic regression."""
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped, unused-ignore]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped, unused-ignore]

    # What it comes to within its iterations is as good; the warning would only fill a log.
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    one_thread()
    model = LogisticRegression(C=regularisation, class_weight="balanced", max_iter=100)
    model.fit(np.asarray(vectors, dtype=np.float64), leaf, sample_weight=weight)
    return model.coef_.astype(np.float32), model.intercept_


def _pieces(text: str) -> tuple[list[str], Scores]:
    """The sentences of a text that are weighed, and how much each counts."""
    pieces = sentences(text, MAX_SENTENCES) or [text[:100]]
    return pieces, weights(pieces)


def _unit(vector: npt.NDArray[np.floating]) -> Vectors:
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length else vector, dtype=np.float32)


def _softmax(logits: Scores) -> Scores:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
