"""SIGTERM: what is in flight finishes within the drain's time, the rest is delivered again."""

import signal

from tests.integration.streams_support import bench, now, repeats, report


async def test_sigterm_drains_and_repeats_nothing(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path) as table:
        ids = await table.publish({"seconds": 0.3} for _ in range(300))
        first = await table.worker(at_once=50, window=50)
        await first.heard("first")
        await table.outcomes(ids[:10])
        asked = now()
        assert await first.ends(signal.SIGTERM) == 0
        took = now() - asked
        end = await first.heard("end")
        assert 10 <= end["finished"] < len(ids)
        assert end["cancelled"] == 0
        second = await table.worker(at_once=50)
        found = await table.outcomes(ids)
        assert await second.ends(signal.SIGTERM) == 0
        report(test="SIGTERM", repeats=repeats(found), seconds_to_exit=round(took, 2))
        assert repeats(found) == 0
        assert took < 5


async def test_hung_handler_cannot_hold_up_the_stop(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table:
        early = await table.publish({"seconds": 0.01} for _ in range(5))
        await table.publish([{"id": "stuck", "do": "hang"}], start=5)
        later = await table.publish(({"seconds": 0.01} for _ in range(5)), start=6)
        worker = await table.worker(drain=1)
        await worker.heard("hanging")
        await table.outcomes(early + later)
        asked = now()
        assert await worker.ends(signal.SIGTERM) == 0
        took = now() - asked
        report(test="SIGTERM with a hung handler", seconds_to_exit=round(took, 2))
        assert took < 5
        assert (await worker.heard("end"))["cancelled"] == 1
        assert await table.committed() == len(early)
        again = await table.worker(drain=0)
        assert (await again.heard("hanging"))["id"] == "stuck"
        assert await again.ends(signal.SIGTERM) == 0


async def test_sigterm_before_anything_was_assigned(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path) as table:
        worker = await table.worker()
        await worker.heard("starting")
        assert await worker.ends(signal.SIGTERM) == 0
