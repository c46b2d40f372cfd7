"""What a real worker does when its provider refuses it or is away, and when most inputs are dead letters."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from schemas.topics import RECORDS
from tests.integration.system_support import eventually
from tests.integration.workers_support import WRONG_KEY, Doorman, a_scene, report
from tests.llm_server import running_llm_server

MAX_IN_FLIGHT = 16


@pytest.mark.long
async def test_a_refused_key_halts_it_and_an_outage_does_not_and_in_the_end_all_is_answered(
    system_kafka, postgres, tmp_path
):
    provider = Doorman(0.05)
    async with AsyncExitStack() as up, a_scene(system_kafka, postgres.url, tmp_path, provider, MAX_IN_FLIGHT) as scene:
        await up.enter_async_context(running_llm_server(provider))
        port = int(provider.base_url.split(":")[2].split("/")[0])
        await scene.publish(200)

        async with scene.worker(WRONG_KEY) as refused:
            assert await refused.ends(seconds=90) == 3, refused.errors
        [last] = [line for line in refused.errors.splitlines() if line.startswith("feedback: ")]
        assert last.startswith("feedback: halted: ")
        assert "Traceback" not in refused.errors
        assert WRONG_KEY not in refused.out + refused.errors
        assert await scene.committed() == {}
        assert scene.results_so_far() == 0
        refusals = await scene.calls()
        assert {(call["http_status"], call["status"]) for call in refusals} == {(401, "error")}
        assert len(refusals) == provider.asked[WRONG_KEY]

        async with scene.worker("sk-right") as worker:
            # The provider's own count, which this loop keeps: it cannot run ahead of us while we look at it.
            await eventually(lambda: provider.tally.by_status[200] >= 60)
            await up.aclose()
            await worker.says("Reading of input stops")
            assert scene.results_so_far() < 2 * len(scene.records)
            await up.enter_async_context(running_llm_server(provider, port=port))
            found = await scene.all_answered()
            await worker.says("answers again")
        assert set(found.values()) == {1}
        assert await scene.letters() == []

        calls = await scene.calls()
        rows = await scene.rows(len(calls))
        report(
            test="wrong key, then an outage",
            results=len(found),
            rows=len(rows),
            asked=provider.asked.total(),
            cut=provider.cut.total(),
            refused_connections=len(rows) - provider.asked.total(),
        )
        assert {row["call_id"] for row in rows} == {call["call_id"] for call in calls}
        by_status = Counter(row["http_status"] for row in rows)
        assert by_status[401] == provider.asked[WRONG_KEY]
        assert by_status[200] == provider.tally.by_status[200] == 2 * len(scene.records)
        assert set(by_status) == {200, 401, None}  # None: cut off, or not even connected
        assert len(rows) == len(calls) > provider.asked.total()


async def test_too_many_dead_letters_halt_it_and_the_rest_stays_unread(system_kafka, postgres, tmp_path):
    bad, good = 500, 4
    async with a_scene(system_kafka, postgres.url, tmp_path, Doorman(), 4) as scene:
        sent = [await scene.producer.send(RECORDS.name, b"{oops", key=b"bad", partition=0) for _ in range(bad)]
        first = (await asyncio.gather(*sent))[0].offset
        await scene.publish(good)
        async with scene.worker("", LLM_MODEL="offline/semantic", DEAD_LETTER_SHARE=0.3) as worker:
            assert await worker.ends(seconds=90) == 3, worker.errors
        [last] = [line for line in worker.errors.splitlines() if line.startswith("feedback: ")]
        assert "outcomes were dead letters" in last
        assert "`feedback dead-letters list`" in last
        assert "Traceback" not in worker.errors
        letters = await scene.letters()
        assert {letter["reason"] for letter in letters} == {"not_json"}
        assert 30 < len(letters) < bad // 2  # over 0.3 of the latest outcomes, of which there are 100 or more
        assert (await scene.committed()).get(0, first) <= first + len(letters)
