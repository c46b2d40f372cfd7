"""A worker is killed, or fails: nothing is lost, and no more is repeated than was in flight or not yet committed."""

import signal

from tests.integration.streams_support import bench, now, repeats, report

AT_ONCE = 50


async def test_killed_with_calls_in_flight_and_started_again(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path) as table:
        ids = await table.publish({"seconds": 0.15} for _ in range(600))
        killed = await table.worker(instance="one", at_once=AT_ONCE)
        await table.outcomes(ids[:150])
        await killed.ends(signal.SIGKILL)
        died = now()
        committed = [await table.committed(partition) for partition in range(table.partitions)]
        out_then = (await table.outcomes()).total()
        again = await table.worker(instance="one", at_once=AT_ONCE)
        back = (await again.heard("first"))["at"] - died
        found = await table.outcomes(ids)
        assert await again.ends(signal.SIGTERM) == 0
        report(test="SIGKILL and restart", repeats=repeats(found), seconds_until_moving=round(back, 2))
        assert sum(committed) > 0
        for number, name in enumerate(ids):
            is_committed = number // table.partitions < committed[number % table.partitions]
            assert found[name] == 1 or not is_committed
        finished_since_commit = out_then - sum(committed)
        assert repeats(found) <= AT_ONCE + finished_since_commit


async def test_offset_never_passes_a_slow_head(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=2) as table:
        early = await table.publish(({"seconds": 0.01} for _ in range(5)), partition=0)
        head = await table.publish([{"id": "head", "do": "hang"}], partition=0)
        later = await table.publish(({"seconds": 0.01} for _ in range(60)), start=6, partition=0)
        worker = await table.worker(instance="one", at_once=AT_ONCE)
        await table.outcomes(early + later)
        await table.publish([{"id": "beside"}], partition=1)
        await table.until_committed(1, partition=1)  # so there was a commit after all of them
        assert await table.committed() == len(early)
        await worker.ends(signal.SIGKILL)
        again = await table.worker(instance="one", at_once=AT_ONCE)
        assert (await again.heard("hanging"))["id"] == head[0]
        found = await table.outcomes(later)
        assert all(found[done] == 1 for done in early)


async def test_bug_ends_the_worker_skips_nothing_and_quotes_nothing(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table:
        early = await table.publish({"seconds": 0.01} for _ in range(20))
        worker = await table.worker(at_once=AT_ONCE)
        await table.outcomes(early)
        await table.publish([{"id": "quoted", "do": "bug"}, {"id": "after", "seconds": 0.01}], start=20)
        assert await worker.ends() == 1
        assert "ZeroDivisionError" in worker.errors
        assert "quoted" not in worker.errors
        assert await table.committed() == len(early)


async def test_null_empty_garbage_and_impossible_times_reach_the_handler(kafka, tmp_path):
    async with bench(kafka.bootstrap_servers, tmp_path, partitions=1) as table:
        await table.publish_raw(None, b"", b"\xff\xfe{")
        await table.publish_raw(b"{", timestamp_ms=1_700_000_000_000_000)
        good = await table.publish([{"id": "good", "seconds": 0.01}])
        worker = await table.worker()
        found = await table.outcomes([*(f"bad-0-{offset}" for offset in range(4)), *good])
        assert await worker.ends(signal.SIGTERM) == 0
        assert repeats(found) == 0
        assert await table.committed() == 5
