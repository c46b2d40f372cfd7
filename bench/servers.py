"""Servers that a bench brings along, so that it runs anywhere."""

import os
import sys
import tempfile
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.embedded.kafka import EmbeddedKafka

ROOT = Path(__file__).parents[1]


@asynccontextmanager
async def a_kafka(given: str | None = None) -> AsyncIterator[str]:
    """The address of a Kafka: the one that is given, else an embedded one that is thrown away afterwards."""
    if given:
        yield given
        return
    home, cache = os.environ.get("KAFKA_HOME"), os.environ.get("FEEDBACK_CACHE_DIR")
    with tempfile.TemporaryDirectory(prefix="bench-kafka-") as directory:
        server = EmbeddedKafka(
            Path(directory),
            kafka_home=Path(home) if home else None,
            maven_repository=os.environ.get("FEEDBACK_MAVEN_REPOSITORY"),
            cache_directory=Path(cache) if cache else None,
        )
        async with server:
            yield server.bootstrap_servers


@asynccontextmanager
async def a_slow_provider(latency: float) -> AsyncIterator[str]:
    """The base URL of `bench.slow_provider`, while it runs in a process of its own."""
    process = await create_subprocess_exec(
        sys.executable, "-m", "bench.slow_provider", "--latency", str(latency), cwd=ROOT, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()
