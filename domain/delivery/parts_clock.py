"""The time that parts of requests wait: what goes by while reading is held does not count."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class PartsClock:
    """Seconds in which reading was not held."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._held = False
        self._stood_seconds = 0.0
        self._stands_since: float | None = None

    def __call__(self) -> float:
        """Seconds, from anywhere."""
        until = self._monotonic() if self._stands_since is None else self._stands_since
        return until - self._stood_seconds

    @property
    def stands(self) -> bool:
        """Whether the time does not run now."""
        return self._stands_since is not None

    @contextmanager
    def held(self, running: bool) -> Iterator[None]:
        """While this lasts reading is held, and the time stands but where it is let run."""
        self._held = True
        self.let_run(running)
        try:
            yield
        finally:
            self._held = False
            self.let_run(True)

    def let_run(self, running: bool) -> None:
        """Whether the time is to run though reading is held; without effect where it is not."""
        if not self._held or running:
            self._stood_seconds, self._stands_since = self._monotonic() - self(), None
        elif self._stands_since is None:
            self._stands_since = self._monotonic()
