"""What is stopped with SIGTERM ends with 0: at work, while it is still importing, while it waits for a server."""

import asyncio
import contextlib
import signal
import socket

import pytest

from runtime.embedded import ports
from tests.integration.system_support import feedback, until_loaded, until_members, until_ready
from tests.usage_support import migrated_database


async def test_sigterm_is_a_good_end(tmp_path, system_kafka, postgres):
    port = ports.choose(set())
    async with migrated_database(postgres.url) as (database, _), contextlib.AsyncExitStack() as stack:
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": system_kafka,
            "DATABASE_URL": database.url,
            "API_PORT": port,
            "WORKER_GROUP": database.url.rpartition("/")[2],
            "CONSUMER_GROUP": f"{database.url.rpartition('/')[2]}-calls",
        }
        running = [
            await stack.enter_async_context(feedback(command, cwd=tmp_path, **environment))
            for command in ("worker", "consumer", "api")
        ]
        await until_members(system_kafka, environment["WORKER_GROUP"], environment["CONSUMER_GROUP"])
        await until_ready(f"http://127.0.0.1:{port}")
        assert await asyncio.gather(*(one.ends(signal.SIGTERM) for one in running)) == [0, 0, 0]
        assert [one.errors for one in running if "Traceback" in one.errors] == []


@pytest.mark.parametrize("command", ["worker", "consumer", "roller", "api", "up"])
async def test_sigterm_is_a_good_end_while_it_is_still_importing(tmp_path, command):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with feedback(command, cwd=tmp_path, **_at(silent)) as running:
            await until_loaded(running, "pydantic_core")
            assert await running.ends(signal.SIGTERM) == 0, running.errors
            assert running.errors == ""


@pytest.mark.parametrize("command", ["worker", "consumer", "roller", "up"])
async def test_sigterm_is_a_good_end_while_it_waits_for_a_server(tmp_path, command):
    """One that takes the connection, and never says a word."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        async with feedback(command, cwd=tmp_path, **_at(silent)) as running, asyncio.timeout(90):
            connection, _ = await loop.sock_accept(silent)
            with connection:
                assert await running.ends(signal.SIGTERM) == 0, running.errors
            assert running.errors == ""


def _at(server: socket.socket) -> dict[str, str]:
    address = f"127.0.0.1:{server.getsockname()[1]}"
    return {"KAFKA_BOOTSTRAP_SERVERS": address, "DATABASE_URL": f"postgresql://nobody@{address}/none"}
