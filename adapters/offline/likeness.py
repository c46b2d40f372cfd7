"""How near a record is to each code of a framework, by multilingual sentence embeddings, whatever model codes it."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from adapters.offline.embeddings import Embedder, SentenceEncoder, Vectors
from adapters.offline.texts import sentences, weights
from domain.operations.narrowing import Texts

MAX_SENTENCES = 8
MAX_CODES = 100_000
"""Of all frameworks whose vectors are kept, 2 KB each; the framework that was not used for the longest goes first."""
AT_ONCE = 64


class EmbeddedCodes:
    """Likeness in a thread of its own, one record after the other, so that the event loop stays free.

    The encoder is loaded, and a framework's codes are embedded, with the first record that needs them.

    Args:
        embedder: makes the vectors; used in that thread only.
    """

    def __init__(self, embedder: Callable[[], Embedder] = SentenceEncoder) -> None:
        self._make = embedder
        self._embedder: Embedder | None = None
        self._codes: OrderedDict[bytes, Vectors] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="likeness")

    async def of(self, content: str, texts: Texts) -> Sequence[float]:
        """See `Likeness`: the best cosine of the whole record, or of one of its first 8 sentences."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._of, content, texts)

    async def aclose(self) -> None:
        """Let the thread end; what is still queued is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _of(self, content: str, texts: Texts) -> Sequence[float]:
        if self._embedder is None:
            self._embedder = self._make()
        codes = self._embedded(texts, self._embedder)
        pieces = sentences(content, MAX_SENTENCES) or [content[:100]]
        vectors = self._embedder.encode(pieces)
        mean = weights(pieces) @ vectors
        whole = np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), dtype=np.float32)
        found: list[float] = (codes @ np.vstack([vectors, whole]).T).max(axis=1).tolist()
        return found

    def _embedded(self, texts: Texts, embedder: Embedder) -> Vectors:
        found = self._codes.get(texts.digest)
        if found is None:
            parts = range(0, len(texts.texts), AT_ONCE)
            found = np.vstack([embedder.encode(texts.texts[start : start + AT_ONCE]) for start in parts])
            self._codes[texts.digest] = found
        self._codes.move_to_end(texts.digest)
        while len(self._codes) > 1 and sum(map(len, self._codes.values())) > MAX_CODES:
            self._codes.popitem(last=False)
        return found
