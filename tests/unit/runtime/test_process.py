"""A stop is a good end, of the work and of the start before it."""

import asyncio
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from adapters.kafka.publisher import KafkaPublisher
from runtime import wiring
from runtime.embedded import ports
from runtime.process import first, run_with, together
from runtime.settings import load_settings


@asynccontextmanager
async def parts(seen: list[str], entered: asyncio.Event | None = None):
    seen.append("starting")
    try:
        if entered is not None:
            await entered.wait()
        seen.append("started")
        yield "parts"
    finally:
        seen.append("closed")


async def test_stop_ends_a_start_that_would_go_on_for_ever():
    seen: list[str] = []
    stop = asyncio.Event()

    async def work(_: str) -> None:
        seen.append("working")

    running = asyncio.create_task(run_with(parts(seen, asyncio.Event()), work, stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)
    assert seen == ["starting", "closed"]


async def test_work_that_has_begun_ends_in_its_own_order():
    seen: list[str] = []
    stop, working = asyncio.Event(), asyncio.Event()

    async def work(given: str) -> None:
        seen.append(given)
        working.set()
        await stop.wait()
        await asyncio.sleep(0)
        seen.append("drained")

    running = asyncio.create_task(run_with(parts(seen), work, stop))
    await working.wait()
    stop.set()
    await running
    assert seen == ["starting", "started", "parts", "drained", "closed"]


async def test_what_goes_wrong_is_raised():
    async def work(_: str) -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - there is no text
        await run_with(parts([]), work, asyncio.Event())


async def test_who_cancels_it_finds_nothing_left():
    seen: list[str] = []

    async def work(_: str) -> None:
        await asyncio.Event().wait()

    running = asyncio.create_task(run_with(parts(seen), work, asyncio.Event()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert seen[-1] == "closed"


async def test_first_raises_what_ended_it_and_leaves_nothing_running():
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def failing() -> None:
        await asyncio.sleep(0)
        raise KeyError

    with pytest.raises(KeyError):
        await first(endless(), failing())
    assert ended.is_set()


async def test_of_several_together_each_may_end_in_its_own_time():
    seen: list[str] = []
    other = asyncio.Event()

    async def quick() -> None:
        seen.append("quick")
        other.set()

    async def slow() -> str:
        await other.wait()
        await asyncio.sleep(0)
        seen.append("slow")
        return "done"

    await together(quick(), slow())
    assert seen == ["quick", "slow"]


async def test_of_several_together_one_that_fails_ends_all():
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def failing() -> None:
        await asyncio.sleep(0)
        raise KeyError

    for order in ((endless, failing), (failing, endless)):
        ended.clear()
        with pytest.raises(KeyError):
            await together(*(one() for one in order))
        assert order[0] is failing or ended.is_set()


@pytest.mark.parametrize("process", [wiring.run_worker, wiring.run_consumer])
async def test_a_process_that_waits_for_kafka_ends_when_it_is_told(monkeypatch, process):
    """A broker that is there and does not answer would hold up a start for ever."""
    waiting, stop = asyncio.Event(), asyncio.Event()

    async def wait_for_ever(_: KafkaPublisher) -> KafkaPublisher:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(KafkaPublisher, "__aenter__", wait_for_ever)
    settings = load_settings(kafka_bootstrap_servers="127.0.0.1:1", database_url="postgresql://nobody@127.0.0.1:1/none")
    running = asyncio.create_task(process(settings, stop))
    await asyncio.wait_for(waiting.wait(), 20)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 5)


async def test_an_api_that_is_told_to_stop_at_once_ends():
    stop = asyncio.Event()
    stop.set()
    settings = load_settings(database_url="postgresql://nobody@127.0.0.1:1/none", api_port=ports.choose(set()))
    await asyncio.wait_for(wiring.run_api(settings, stop), 5)


BUSY = """
import asyncio, os, time
from runtime.process import run_until_signal

async def main(stop):
    os.write(1, b"at work\\n")
    time.sleep(2)  # as an import within the loop
    os.write(1, b"still at work\\n")
    await stop.wait()
    os.write(1, b"stopped\\n")

run_until_signal(main, "a moment.")
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_acknowledged_at_once_and_once(sign):
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        process.send_signal(sign)
        assert process.stdout.readline() == b"Stopping: a moment.\n"
        process.send_signal(sign)
        assert process.stdout.read() == b"still at work\nstopped\n"
    assert process.returncode == 0
