"""What every long-running command does alike: logging, signals, an event loop, a clean end."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from runtime.crashes import DiscreetFormatter, in_the_loop
from runtime.quieting import OncePerSpell

T = TypeVar("T")
P = TypeVar("P")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def configure_logging(level: str) -> None:
    """Log to stderr, one line per event; libraries only where something is wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(DiscreetFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(OncePerSpell(("aiokafka", "mode", "faust")))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in ("domain", "adapters", "streams", "consumers", "api", "runtime"):
        logging.getLogger(ours).setLevel(level)


def collect_garbage_less_often() -> None:
    """For a process that holds much and makes few cycles.

    With hundreds of inputs in flight Python judges a full collection due every second, and each stops the event loop
    for several tenths of one; they were half of a worker's CPU (bench/README.md). Cycles are still collected.
    """
    gc.collect()
    gc.set_threshold(50_000, 20, 100)


def run_until_signal(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]], stopping: str = "") -> T:
    """Run `main` on a fresh event loop; SIGTERM and SIGINT set the event that it is given.

    Args:
        main: what to run.
        stopping: what a person is told at once, on stdout, when the first such signal comes: what happens now, and how
            long it may take. Empty: nothing.

    Returns:
        what `main` returns, once it has ended by itself.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_with_signals(main, stopping))


async def _with_signals(main: Callable[[asyncio.Event], Awaitable[T]], stopping: str) -> T:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(in_the_loop)
    heard = False

    def hear(*_: object) -> None:
        nonlocal heard
        first, heard = not heard, True  # before a word is said: the next signal may come in the middle of it
        if first and stopping:
            _write_at_once(f"Stopping: {stopping}")
        loop.call_soon_threadsafe(stop.set)

    # Not the loop's own handlers: those wait for their turn, and an import within the loop takes seconds.
    before = {number: signal.signal(number, hear) for number in _SIGNALS}
    try:
        return await main(stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_at_once(line: str) -> None:
    """From a signal handler: the stream's own buffer may be in the middle of something. A terminal shows ^C before."""
    with contextlib.suppress(OSError, ValueError):
        before = "\n" if sys.stdout.isatty() else ""
        os.write(sys.stdout.fileno(), f"{before}{line}\n".encode())


async def until_stopped(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """Run `work`, but cancel it (and wait until it is gone) when `stop` is set first; None then."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        return None
    finally:
        stopped.cancel()
        task.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


async def run_with(
    parts: AbstractAsyncContextManager[P], work: Callable[[P], Awaitable[None]], stop: asyncio.Event
) -> None:
    """Enter `parts`, then do `work` with them; `stop` is a good end of either.

    What starts may try for ever to reach something, and knows nothing of `stop`: it is cancelled, and waited for until
    it is gone. The work itself knows `stop`, and ends in its own order.
    """
    at_work = asyncio.Event()

    async def whole() -> None:
        async with parts as found:
            at_work.set()
            await work(found)

    running = asyncio.ensure_future(whole())
    watching = [asyncio.ensure_future(event.wait()) for event in (stop, at_work)]
    try:
        await asyncio.wait({running, *watching}, return_when=asyncio.FIRST_COMPLETED)
        if at_work.is_set() or running.done():
            await running
    finally:
        for task in (running, *watching):
            task.cancel()
        await asyncio.gather(running, *watching, return_exceptions=True)


async def together(*work: Coroutine[Any, Any, object]) -> None:
    """Run all until each has ended; where one raises, raise that, and leave none running."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def first(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until one of them ends; raise what it raised; leave none running."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
