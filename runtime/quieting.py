"""What a library says over and over is said once, then counted: an outage must not fill a disk with its own lines."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

SECONDS = 30.0
_MOST = 1000


@dataclass(slots=True)
class _Said:
    since: float
    more: int = 0


class OncePerSpell(logging.Filter):
    """Lets a line of a library through once in `SECONDS`; the next one says how many like it were left out.

    Lines are alike when one call of the library made them, whatever it filled in: while Kafka is away aiokafka says
    two hundred times a second that it cannot connect. Our own lines all pass.

    Args:
        libraries: the loggers concerned, with all below them.
        clock: seconds.
    """

    def __init__(self, libraries: tuple[str, ...], clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._libraries = libraries
        self._clock = clock
        self._said: dict[tuple[str, str, int], _Said] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be said; the count of those left out is added to it."""
        if record.name.partition(".")[0] not in self._libraries:
            return True
        now, place = self._clock(), (record.name, record.pathname, record.lineno)
        said = self._said.get(place)
        if said is not None and now - said.since < SECONDS:
            said.more += 1
            return False
        if said is not None and said.more and isinstance(record.args, tuple):
            # The arguments stay arguments: the formatter keeps back what exceptions among them say.
            said_before = (
                str(record.msg) if record.args else str(record.msg).replace("%", "%%")
            )  # no format without any
            record.msg = f"{said_before} (%d more like this in the last %.0f s)"
            record.args = (*record.args, said.more, now - said.since)
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[place] = _Said(now)
        return True
