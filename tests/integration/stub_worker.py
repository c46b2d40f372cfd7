"""A worker with a handler that sleeps instead of asking a model: for tests with real processes.

Each input is JSON: {"id": ..., "seconds": 0.1, "do": "" | "hang" | "bug"}. For each the handler publishes one message
to the topic `<records topic>.out`, with the input's id as key. It prints a JSON line for what is worth waiting for.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.header_names import take_any_header_names
from adapters.kafka.publisher import KafkaPublisher
from domain.delivery.messages import InboundMessage
from domain.ports import OutboundMessage
from streams.settings import WorkerSettings
from streams.status import WorkerStatus
from streams.worker import run_worker


def say(**what: object) -> None:
    """Tell the test."""
    sys.stdout.write(json.dumps({**what, "at": time.time()}) + "\n")
    sys.stdout.flush()


class Stub:
    """Sleeps, then publishes."""

    def __init__(self, publisher: KafkaPublisher, out: str, at_once: int) -> None:
        self.publisher = publisher
        self.out = out
        self.places = asyncio.Semaphore(at_once)
        self.first = True

    async def ready_for_more(self) -> None:
        """Always."""

    def reading_held(self) -> AbstractContextManager[None]:
        """Of no matter here."""
        return nullcontext()

    async def handle(self, message: InboundMessage) -> None:
        if self.first:
            self.first = False
            say(event="first")
        async with self.places:
            await self.answer(message)

    async def answer(self, message: InboundMessage) -> None:
        try:
            order = json.loads(message.value or b"")
        except ValueError:
            order = {"id": f"bad-{message.partition}-{message.offset}"}
        if order.get("do") == "hang":
            say(event="hanging", id=order["id"])
            await asyncio.Event().wait()
        if order.get("do") == "bug":
            raise ZeroDivisionError(order["id"])
        await asyncio.sleep(order.get("seconds", 0.1))
        body = {"id": order["id"], "partition": message.partition, "offset": message.offset}
        await self.publisher.publish(OutboundMessage(self.out, str(order["id"]).encode(), json.dumps(body).encode()))


async def main() -> None:
    """Run until SIGTERM."""
    options = argparse.ArgumentParser()
    options.add_argument("--bootstrap", required=True)
    options.add_argument("--topic", required=True)
    options.add_argument("--instance")
    options.add_argument("--at-once", type=int, default=50)
    options.add_argument("--window", type=int, default=400)
    options.add_argument("--drain", type=float, default=10)
    options.add_argument("--revoke", type=float, default=5)
    options.add_argument("--data", type=Path, required=True)
    given = options.parse_args()
    settings = WorkerSettings(
        given.bootstrap,
        group_id=given.topic,
        instance_id=given.instance,
        records_topic=given.topic,
        requests_topic=f"{given.topic}.requests",
        window=given.window,
        drain_seconds=given.drain,
        revoke_seconds=given.revoke,
        data_directory=given.data,
    )
    stop, status = asyncio.Event(), WorkerStatus()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    take_any_header_names()
    say(event="starting")
    async with KafkaPublisher(KafkaConnection(given.bootstrap), delivery_timeout=60) as publisher:
        stub = Stub(publisher, f"{given.topic}.out", given.at_once)
        try:
            await run_worker(settings, stub, stop, lambda: say(event="ready", assigned=status.assigned), status)
        finally:
            say(event="end", finished=status.finished, cancelled=status.cancelled, committed=status.committed)


if __name__ == "__main__":
    logging.basicConfig(level="WARNING", format="%(asctime)s %(name)s %(message)s")
    asyncio.run(main())
