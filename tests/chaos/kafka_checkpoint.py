"""What a broker remembers through a SIGKILL of records that were deleted: its checkpoint of where each log starts."""

from collections.abc import Mapping
from pathlib import Path

from tests.chaos.evidence import Partition
from tests.integration.system_support import eventually

_FILE = "log-start-offset-checkpoint"
"""First its version, then how many lines there are, then `topic partition offset` each."""


async def remembered(data: Path, starts: Mapping[Partition, int], seconds: float = 60) -> None:
    """Return once the broker on this data has written down that the logs start there: it does so now and then.

    Until then a SIGKILL brings back what was deleted, for consumers and for the checks.
    """

    def written() -> bool:
        known = _checkpoint(data / _FILE)
        return all(max(known.get(place, 0), _first(data, place)) >= start for place, start in starts.items())

    await eventually(written, seconds)


def _checkpoint(file: Path) -> dict[Partition, int]:
    try:
        lines = file.read_text().splitlines()[2:]
    except FileNotFoundError:  # never written, or just being replaced
        return {}
    entries = (line.rsplit(" ", 2) for line in lines)
    return {(topic, int(number)): int(offset) for topic, number, offset in entries}


def _first(data: Path, place: Partition) -> int:
    """The first offset that there is a file for: where whole files are gone, nothing is written down."""
    return min((int(log.stem) for log in (data / f"{place[0]}-{place[1]}").glob("*.log")), default=0)
