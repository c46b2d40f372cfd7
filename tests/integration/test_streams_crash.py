"""A worker is killed, or fails: nothing is lost, and no more is repeated than was in flight or not yet committed."""

import asyncio
import signal

from tests.integration.streams_support import bench, now, repeats, report

AT_ONCE = 50


async def test_killed_with_calls_in_flight_and_started_again(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path) as table:
        ids = await table.publish({"seconds": 0.15} for _ in range(900))
        killed = await table.worker(instance="one", at_once=AT_ONCE)
        await killed.heard("first")
        await table.outcomes(ids[:150])
        await killed.ends(signal.SIGKILL)
        died = now()
        again = await table.worker(instance="one", at_once=AT_ONCE)
        back = (await again.heard("first"))["at"] - died
        found = await table.outcomes(ids)
        assert await again.ends(signal.SIGTERM) == 0
        report(test="SIGKILL and restart", repeats=repeats(found), seconds_until_moving=round(back, 2))
        per_commit = AT_ONCE / 0.15 * 0.25
        assert repeats(found) <= AT_ONCE + 2 * per_commit
        assert back < 8


async def test_offset_never_passes_a_slow_head(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table:
        early = await table.publish({"seconds": 0.01} for _ in range(5))
        head = await table.publish([{"id": "head", "do": "hang"}], start=5)
        later = await table.publish(({"seconds": 0.01} for _ in range(60)), start=6)
        worker = await table.worker(instance="one", at_once=AT_ONCE)
        await table.outcomes(early + later)
        await asyncio.sleep(0.6)  # two commits: there is nothing else to wait for
        assert await table.committed() == len(early)
        await worker.ends(signal.SIGKILL)
        again = await table.worker(instance="one", at_once=AT_ONCE)
        assert (await again.heard("hanging"))["id"] == head[0]
        found = await table.outcomes(later)
        assert all(found[done] == 1 for done in early)


async def test_bug_ends_the_worker_and_skips_nothing(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table:
        early = await table.publish({"seconds": 0.01} for _ in range(20))
        worker = await table.worker(at_once=AT_ONCE)
        await table.outcomes(early)
        await table.publish([{"id": "buggy", "do": "bug"}, {"id": "after", "seconds": 0.01}], start=20)
        assert await worker.ends() == 1
        assert "ZeroDivisionError" in worker.errors
        assert await table.committed() == len(early)


async def test_null_empty_and_garbage_reach_the_handler(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table:
        await table.publish_raw(None, b"", b"\xff\xfe{")
        good = await table.publish([{"id": "good", "seconds": 0.01}])
        worker = await table.worker()
        found = await table.outcomes(["bad-0-0", "bad-0-1", "bad-0-2", *good])
        assert await worker.ends(signal.SIGTERM) == 0
        assert repeats(found) == 0
        assert await table.committed() == 4
