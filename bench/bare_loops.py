"""What somebody would write without the project: bare loops that `bench.llm_throughput` runs beside the worker.

    python -m bench.bare_loops litellm|sleep --bootstrap localhost:9092 --in-flight 256 [--api-base URL]

`litellm` reads feedback records, calls `litellm.acompletion` for a summary, and sends it with an idempotent producer,
waiting for the acknowledgement. `sleep` reads them and sleeps 200 ms. Both have a semaphore of the size given, and
commit once, at the end (SIGTERM). Nothing is retried, recorded or kept in order: what fails ends the loop. Twenty
times a second they print how many they have done.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from domain.operations import summarize
from schemas.records import FeedbackRecordSubmitted
from schemas.topics import RECORDS, SUMMARIES

SLEEP_SECONDS = 0.2
_TELL_EVERY_SECONDS = 0.05
_CONNECTIONS = 4096

Work = Callable[[bytes], Awaitable[None]]


class Loop:
    """Reads records and starts the work on each, as many at a time as there are places."""

    def __init__(self, work: Work, in_flight: int) -> None:
        self._work = work
        self._places = asyncio.Semaphore(in_flight)
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done = 0

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Until cancelled."""
        while True:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=500)).values():
                for record in records:
                    await self._places.acquire()
                    task = asyncio.create_task(self._one(record.value))
                    self._tasks.add(task)
                    task.add_done_callback(self._ended)

    async def settle(self) -> None:
        """Return when nothing is in flight."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def tell(self) -> None:
        """Print progress until cancelled."""
        while True:
            print(self.done, flush=True)
            await asyncio.sleep(_TELL_EVERY_SECONDS)

    async def _one(self, value: bytes) -> None:
        await self._work(value)
        self.done += 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._places.release()
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)


async def sleep(_: bytes) -> None:
    """No work at all."""
    await asyncio.sleep(SLEEP_SECONDS)


class Summarise:
    """One LLM call and one result for each record."""

    def __init__(self, litellm: Any, producer: AIOKafkaProducer, api_base: str) -> None:
        self._acompletion, self._producer, self._api_base = litellm.acompletion, producer, api_base

    async def __call__(self, value: bytes) -> None:
        """Call, and send the answer on."""
        payload = json.loads(value)
        asked = summarize.prompt(FeedbackRecordSubmitted.model_construct(**payload, output_language=None))
        response = await self._acompletion(
            model="openai/gpt-4o-mini",
            messages=asked.messages(),
            max_tokens=asked.max_output_tokens,
            response_format={"type": "json_object"},
            api_base=self._api_base,
            api_key="none",
            max_retries=0,
            timeout=60,
        )
        answer = json.loads(response.choices[0].message.content)
        result = {"record_id": payload["record_id"], "model": response.model, **answer}
        await self._producer.send_and_wait(SUMMARIES.name, json.dumps(result).encode(), payload["record_id"].encode())


def import_litellm() -> Any:
    """LiteLLM, set up so that nothing but its work costs time: a local price list, connections enough."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["AIOHTTP_CONNECTOR_LIMIT"] = os.environ["AIOHTTP_CONNECTOR_LIMIT_PER_HOST"] = str(_CONNECTIONS)
    import litellm

    litellm.suppress_debug_info = True
    return litellm


async def run(way: str, bootstrap: str, in_flight: int, api_base: str) -> None:
    """One loop until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncExitStack() as stack:
        work: Work = sleep
        if way == "litellm":
            producer = await stack.enter_async_context(
                AIOKafkaProducer(
                    bootstrap_servers=bootstrap,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=5,  # as the project's publisher: the comparison is about the LLM calls
                    max_batch_size=262_144,
                )
            )
            work = Summarise(import_litellm(), producer, api_base)
        loop = Loop(work, in_flight)
        consumer = AIOKafkaConsumer(
            RECORDS.name,
            bootstrap_servers=bootstrap,
            group_id=f"bench-{secrets.token_hex(4)}",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await stack.enter_async_context(consumer)
        running = [asyncio.create_task(loop.run(consumer)), asyncio.create_task(loop.tell())]
        over: list[asyncio.Future[Any]] = [*running, loop.failed, asyncio.create_task(stop.wait())]
        finished, _ = await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        for ended in finished:
            await ended
        await loop.settle()
        await consumer.commit()


def main() -> None:
    """See the module's docstring."""
    import uvloop

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("way", choices=("litellm", "sleep"))
    options.add_argument("--bootstrap", required=True)
    options.add_argument("--in-flight", type=int, required=True)
    options.add_argument("--api-base", default="")
    given = options.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(given.way, given.bootstrap, given.in_flight, given.api_base))


if __name__ == "__main__":
    main()
