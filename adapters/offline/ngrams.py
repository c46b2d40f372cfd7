"""Likeness by character n-grams: the same words and stems, in the language that the framework is written in."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]

SHORTEST, LONGEST = 3, 5


class NgramIndex:
    """Documents as TF-IDF vectors of their character n-grams (within words, sublinear counts, unit length).

    A text in another script than the documents' shares no n-gram with them: its likeness to all is 0.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        # Imported here, as importing it takes a second that only coding needs.
        from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped, unused-ignore]

        vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(SHORTEST, LONGEST), sublinear_tf=True)
        self._count = len(documents)
        self._documents = vectorizer.fit_transform(documents).T.tocsr()
        self._columns: dict[str, int] = vectorizer.vocabulary_
        self._rarity: list[float] = vectorizer.idf_.tolist()
        self._split = vectorizer.build_analyzer()

    def likeness(self, pieces: Sequence[str], shares: Scores) -> Scores:
        """The cosine of a text, given as pieces that count by their shares, with each document; shape (documents,)."""
        combined: dict[int, float] = {}
        for piece, share in zip(pieces, shares.tolist(), strict=True):
            vector = self._vector(piece)
            length = math.sqrt(sum(value * value for value in vector.values()))
            for column, value in vector.items():
                combined[column] = combined.get(column, 0.0) + share * value / length
        if not combined:
            return np.zeros(self._count)
        values = np.fromiter(combined.values(), dtype=np.float64, count=len(combined))
        columns = np.fromiter(combined, dtype=np.int64, count=len(combined))
        return self._product(columns, values / float(np.linalg.norm(values)))

    def _vector(self, piece: str) -> dict[int, float]:
        counts = Counter(self._split(piece))
        known = ((self._columns.get(ngram), count) for ngram, count in counts.items())
        return {column: (1.0 + math.log(count)) * self._rarity[column] for column, count in known if column is not None}

    def _product(self, columns: npt.NDArray[np.int64], values: Scores) -> Scores:
        """The row vector (columns, values) times the documents' matrix, without building a matrix of one row."""
        matrix = self._documents
        starts = matrix.indptr[columns]
        lengths = matrix.indptr[columns + 1] - starts
        ends = np.cumsum(lengths)
        places = np.arange(int(ends[-1])) + np.repeat(starts - (ends - lengths), lengths)
        weighed = matrix.data[places] * np.repeat(values, lengths)
        return np.asarray(np.bincount(matrix.indices[places], weights=weighed, minlength=self._count), dtype=np.float64)
