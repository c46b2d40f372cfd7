"""The roller's loop: rolls what there is, rests, waits outages out, and stops in order."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from domain.errors import SinkUnavailableError
from domain.usage import rolling
from domain.usage.rolling import Marked, Rolled, keep_rolled

FULL = Rolled(days=100, more=True)
Step = Rolled | None | SinkUnavailableError


class ScriptedRoller:
    """Does one step after the other; at the last one it sets `stop`. `left` says what is marked before each look."""

    def __init__(self, stop: asyncio.Event, steps: Sequence[Step], left: Callable[[], Marked] = Marked) -> None:
        self._stop = stop
        self._steps = list(steps)
        self._left = left
        self.looks = 0

    async def roll(self) -> Rolled | None:
        step = self._steps.pop(0)
        if not self._steps:
            self._stop.set()
        if isinstance(step, SinkUnavailableError):
            raise step
        return step

    async def marked(self) -> Marked:
        self.looks += 1
        return self._left()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    for name in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(rolling, name, 0.0)


async def rolled(steps: Sequence[Step], left: Callable[[], Marked] = Marked, pause: float = 0.0):
    stop = asyncio.Event()
    roller = ScriptedRoller(stop, steps, left)
    async with asyncio.timeout(30):
        return await keep_rolled(roller, stop, pause, 5.0), roller


async def test_it_goes_on_at_once_while_there_is_more_and_rests_then():
    many = Marked(days=1000)
    tally, roller = await rolled([FULL, FULL, Rolled(days=3, months=2), Rolled(days=1)], lambda: many)

    assert (tally.days, tally.months, tally.leads) == (204, 2, True)
    assert roller.looks == 4  # before and after each of two passes


async def test_where_rows_come_all_the_time_a_pass_ends_with_what_there_was_at_its_beginning():
    _, roller = await rolled([FULL, FULL, FULL, FULL], lambda: Marked(days=150))
    assert roller.looks == 4


async def test_while_another_leads_it_only_looks():
    tally, roller = await rolled([Rolled(days=1), None, None], lambda: Marked(7, 60))
    assert (tally.days, tally.leads, tally.marked_days) == (1, False, 7)
    assert tally.oldest_mark_seconds >= 60
    assert roller.looks == 6


async def test_an_outage_ends_nothing_and_is_counted():
    away = SinkUnavailableError("The database cannot make rollups now.")
    tally, _ = await rolled([away, away, FULL, away, Rolled(days=1)], lambda: Marked(1))
    assert (tally.failures, tally.days) == (3, 101)


async def test_a_bug_is_not_taken_for_an_outage():
    with pytest.raises(IndexError):
        await rolled([])


async def test_told_to_stop_it_does_not_rest():
    stop = asyncio.Event()
    work = asyncio.create_task(keep_rolled(ScriptedRoller(asyncio.Event(), [Rolled(), Rolled()]), stop, 3600, 5.0))
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(30):
        await work


@pytest.mark.parametrize("ends", [True, False])
async def test_a_round_under_way_has_its_time_to_end_when_it_is_told_to_stop(ends, caplog):
    stop, begun, release, over = asyncio.Event(), asyncio.Event(), asyncio.Event(), []

    class Slow(ScriptedRoller):
        async def roll(self) -> Rolled | None:
            begun.set()
            try:
                await release.wait()
            finally:
                over.append(release.is_set())
            return Rolled(days=1)

    work = asyncio.create_task(keep_rolled(Slow(stop, []), stop, 0, 30.0 if ends else 0.01))
    await begun.wait()
    stop.set()
    if ends:
        release.set()
    tally = await asyncio.wait_for(work, 30)
    assert (tally.days, over) == ((1, [True]) if ends else (0, [False]))
    assert ("it did not happen" in caplog.text) is not ends
