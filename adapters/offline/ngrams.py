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

    A text's n-grams that no document holds count in its length: the less of a text the documents can know, as in
    another language, the less alike it is to any of them; in another script its likeness to all is 0.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        # Imported here, as importing it takes a second that only coding needs.
        from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped, unused-ignore]

        vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(SHORTEST, LONGEST), sublinear_tf=True)
        self._count = len(documents)
        self._documents = vectorizer.fit_transform(documents).T.tocsr()
        self._columns: dict[str, int] = vectorizer.vocabulary_
        self._rarity: list[float] = vectorizer.idf_.tolist()
        self._unknown_rarity = max(self._rarity)
        self._split = vectorizer.build_analyzer()

    def likeness(self, pieces: Sequence[str], shares: Scores) -> Scores:
        """The cosine of a text, given as pieces that count by their shares, with each document; shape (documents,)."""
        counts: dict[str, float] = {}
        for piece, share in zip(pieces, shares.tolist(), strict=True):
            for ngram, count in Counter(self._split(piece)).items():
                counts[ngram] = counts.get(ngram, 0.0) + share * (1.0 + math.log(count))
        known, unknown = {}, 0.0
        for ngram, weight in counts.items():
            column = self._columns.get(ngram)
            if column is None:
                unknown += (weight * self._unknown_rarity) ** 2
            else:
                known[column] = weight * self._rarity[column]
        if not known:
            return np.zeros(self._count)
        values = np.fromiter(known.values(), dtype=np.float64, count=len(known))
        columns = np.fromiter(known, dtype=np.int64, count=len(known))
        return self._product(columns, values / math.sqrt(float(values @ values) + unknown))

    def _product(self, columns: npt.NDArray[np.int64], values: Scores) -> Scores:
        """The row vector (columns, values) times the documents' matrix, without building a matrix of one row."""
        matrix = self._documents
        starts = matrix.indptr[columns]
        lengths = matrix.indptr[columns + 1] - starts
        ends = np.cumsum(lengths)
        places = np.arange(int(ends[-1])) + np.repeat(starts - (ends - lengths), lengths)
        weighed = matrix.data[places] * np.repeat(values, lengths)
        return np.asarray(np.bincount(matrix.indices[places], weights=weighed, minlength=self._count), dtype=np.float64)
