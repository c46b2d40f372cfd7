"""The recognisers at work, in one order, off the event loop where it takes long."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from adapters.privacy.folding import fold
from adapters.privacy.language import LanguageDetector
from adapters.privacy.recogniser import Recogniser
from domain.privacy.anonymised import Anonymised, anonymised, untouched
from domain.privacy.spans import Span, settled
from domain.prompts.envelope import bounded

Looked = tuple[str, list[Span], str | None]
"""A clean text, where something personal stands in it, and its language."""

LONG = 600
"""Characters from which on a thread is worth its switch: under a millisecond of work for patterns."""

SLICE = 50
"""Texts that a thread looks at before it lets others have a turn."""

_THREADS = 2
_OF_EVERY_KIND = "Amina, +33 6 12 34 56 78, amina@example.org: 4111 1111 1111 1111, FR14 2004 1010 0505 0001 3M02 606"


class PatternAnonymiser:
    """Fulfils `domain.ports.Anonymiser`. Warm it up at once, close it to end its threads.

    Args:
        recognisers: the surest first: where two find the same characters, the first names them.
        detector: tells a text's language.
        always_off_loop: a recogniser takes long whatever the text's length.
    """

    def __init__(
        self, recognisers: Sequence[Recogniser], detector: LanguageDetector, *, always_off_loop: bool = False
    ) -> None:
        self._recognisers = tuple(recognisers)
        self._detector = detector
        self._longest_on_loop = 0 if always_off_loop else LONG
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="privacy")
        self._loading: Future[object] = Future()

    @property
    def recognisers(self) -> tuple[str, ...]:
        """Names of those that look."""
        return tuple(recogniser.name for recogniser in self._recognisers)

    def warm_up(self) -> None:
        """Begin to load what takes long to load, in a thread. Texts that come meanwhile are looked at in threads."""
        self._loading = self._threads.submit(self.look, _OF_EVERY_KIND, None)

    async def anonymise(self, texts: Sequence[str], language: str | Sequence[str | None] | None = None) -> Anonymised:
        """See `domain.ports.Anonymiser`."""
        stated = [language] * len(texts) if language is None or isinstance(language, str) else language
        pairs = list(zip(texts, stated, strict=True))
        if self._loading.done() and sum(map(len, texts)) <= self._longest_on_loop:
            found = [self._looked(*pair) for pair in pairs]
        else:
            found = []
            for first in range(0, len(pairs), SLICE):
                found += await self._in_thread(pairs[first : first + SLICE])
        clean, spans, languages = [one[0] for one in found], [one[1] for one in found], [one[2] for one in found]
        return anonymised(clean, spans, self.recognisers, languages)

    def close(self) -> None:
        """End the threads, once what they do is done."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, pairs: Sequence[tuple[str, str | None]]) -> list[Looked]:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: [self._looked(*pair) for pair in pairs]
        )

    def _looked(self, text: str, stated: str | None) -> Looked:
        clean = bounded(text)
        return clean, *self.look(clean, stated)

    def look(self, text: str, stated: str | None = None) -> tuple[list[Span], str | None]:
        """Where something personal stands in the text, without overlaps, and the text's language. Blocks."""
        folded = fold(text)
        language = self._detector.detect(text, stated)
        found = [recogniser.find(folded.text, language) for recogniser in self._recognisers]
        return folded.as_written(settled(folded.text, found)), _code(language)


class NoAnonymiser:
    """Fulfils the same port, and leaves every text as it is: for those who have switched it off."""

    async def anonymise(
        self,
        texts: Sequence[str],
        language: str | Sequence[str | None] | None = None,  # noqa: ARG002
    ) -> Anonymised:
        """The texts as they are."""
        return untouched(texts)


def _code(language: str | None) -> str | None:
    """The language without the region that was stated with it."""
    return language.partition("-")[0] if language else None
