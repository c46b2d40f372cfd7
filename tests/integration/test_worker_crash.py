"""Real workers share their work, one is killed with LLM calls in flight and comes back: the books balance."""

import signal
from time import monotonic

import pytest

from streams.settings import WorkerSettings
from tests.integration.system_support import eventually, members
from tests.integration.workers_support import Doorman, a_scene, report
from tests.llm_server import running_llm_server

MAX_IN_FLIGHT = 40
PLACES = MAX_IN_FLIGHT + 32
"""Inputs at work at once: some more than LLM calls, for those whose outcome is on its way (domain.delivery.places)."""
LATENCY = 0.25
PER_COMMIT = int(MAX_IN_FLIGHT / LATENCY * WorkerSettings("", "", None, 1, 0).commit_seconds)
"""LLM calls that one worker ends, and so results that it makes, between two commits."""
REPEATS_AT_MOST = PLACES + 2 * PER_COMMIT
ON_THEIR_WAY = MAX_IN_FLIGHT
"""Answers that reached a worker and are not on Kafka yet, as an event or as a result: at most those of one moment."""


@pytest.mark.long
async def test_joined_killed_with_calls_in_flight_started_again_and_left_alone(system_kafka, postgres, tmp_path):
    async with (
        running_llm_server(Doorman(LATENCY)) as provider,
        a_scene(system_kafka, postgres.url, tmp_path, provider, MAX_IN_FLIGHT) as scene,
        scene.worker("sk-killed", WORKER_INSTANCE_ID="one") as killed,
        scene.worker("sk-second") as second,
    ):

        async def both_are_there() -> bool:
            return (await members(scene.bootstrap, scene.group))[1] == 2

        async def both_have_their_share() -> bool:
            return await members(scene.bootstrap, scene.group) == ("Stable", 2)

        provider.gate.clear()  # whoever comes first has its calls in flight when the other joins
        await scene.publish(80)
        await eventually(both_are_there)
        provider.gate.set()
        await eventually(both_have_their_share)
        asked_before = provider.asked["sk-killed"]
        provider.forgotten.add("sk-killed")  # what comes behind it on its partition is answered, and not committed
        await scene.publish(200)
        await eventually(lambda: provider.asked["sk-killed"] > asked_before + 2 * MAX_IN_FLIGHT)
        await eventually(lambda: provider.in_flight["sk-killed"] > MAX_IN_FLIGHT // 2)
        in_flight = provider.in_flight["sk-killed"]
        killed.process.send_signal(signal.SIGKILL)
        died = monotonic()
        await killed.process.wait()
        await eventually(lambda: provider.in_flight["sk-killed"] == 0)
        offsets = await scene.committed()

        async with scene.worker("sk-again", WORKER_INSTANCE_ID="one") as again:
            await again.says("assigned partitions: feedback")
            done_before = provider.asked["sk-second"]
            await scene.publish(120)  # on a slow machine the second worker has taken over and is done with the others
            await eventually(lambda: provider.asked["sk-again"] and provider.asked["sk-second"] > done_before)
            assert await second.ends(signal.SIGTERM) == 0, second.errors
            found = await scene.all_answered()
            assert await again.ends(signal.SIGTERM) == 0, again.errors

        calls = await scene.calls()
        unrecorded = provider.asked.total() - len(calls)
        repeated = {name for (name, _), times in found.items() if times > 1}
        repeats = found.total() - len(found)
        report(
            test="two real workers, one killed and started again, the other leaves",
            results=len(found),
            repeats=repeats,
            repeats_at_most=REPEATS_AT_MOST,
            in_flight_at_the_kill=in_flight,
            calls_without_event=unrecorded,
            seconds_until_moving=round(provider.first_asked["sk-again"] - died, 2),
        )
        assert await scene.letters() == []
        assert provider.cut["sk-second"] == provider.cut["sk-again"] == 0  # who leaves in order finishes its calls
        assert max(provider.most_in_flight.values()) <= MAX_IN_FLIGHT
        assert repeats <= REPEATS_AT_MOST
        for partition, offset in map(scene.records.get, repeated):  # what was committed is not answered again
            assert offset >= offsets.get(partition, 0)
        assert in_flight <= unrecorded <= MAX_IN_FLIGHT + ON_THEIR_WAY
        assert found.total() <= len(calls) <= found.total() + ON_THEIR_WAY
        rows = await scene.rows(len(calls))
        assert {row["call_id"] for row in rows} == {call["call_id"] for call in calls}
        assert {(len(rows), row["status"]) for row in rows} == {(len(calls), "ok")}
        counted = await scene.failures()
        assert counted.repeats.invocations == len(calls) - len({(c["record_id"], c["operation"]) for c in calls})
        assert counted.repeats.after_an_answer == counted.repeats.invocations >= repeats > 0
        assert (counted.retries.calls, counted.repeats.not_told) == (0, 0)
