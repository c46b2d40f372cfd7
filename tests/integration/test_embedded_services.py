"""The embedded servers, as they are: started, stopped, killed, orphaned, and started again on their data."""

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from runtime.embedded.errors import DirectoryInUseError, ServerStartError
from runtime.embedded.postgres import EmbeddedPostgres, programs
from runtime.embedded.services import services
from tests.services import embedded_kafka_server

OWNER = """
import asyncio, json, os, pathlib, sys
from runtime.embedded.services import services
async def main():
    cache = os.environ.get("FEEDBACK_CACHE_DIR")
    directory = pathlib.Path(sys.argv[1])
    async with services(
        kafka_bootstrap_servers=sys.argv[2] or None, database_url=None, directory=directory,
        cache_directory=pathlib.Path(cache) if cache else None,
    ) as found:
        pids = {name: server.pid for name, server in found.servers.items()}
        print(json.dumps([pids, found.database_url]), flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
async def own_kafka(tmp_path):
    kafka = embedded_kafka_server(tmp_path / "kafka")
    await kafka.start()
    yield kafka
    await kafka.stop()


@pytest.fixture
async def own_postgres(tmp_path):
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    await postgres.start()
    yield postgres
    await postgres.stop()


async def write(kafka, *values: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all", enable_idempotence=True)
    async with producer:
        for value in values:
            await producer.send_and_wait("kept", value)


async def read(kafka, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    consumer.assign([TopicPartition("kept", 0)])
    async with consumer, asyncio.timeout(20):
        return [(await consumer.getone()).value for _ in range(count)]


async def value_of(url: str, query: str):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def until_gone(*pids: int) -> None:
    async with asyncio.timeout(10):
        while any(psutil.pid_exists(pid) for pid in pids):  # noqa: ASYNC110 - a stranger's end is no event
            await asyncio.sleep(0.05)


async def test_kafka_keeps_acknowledged_data_and_its_address_through_kill_and_restart(own_kafka):
    address = own_kafka.bootstrap_servers
    await write(own_kafka, b"one", b"two")
    pid = own_kafka.pid
    await own_kafka.kill()
    assert await own_kafka.wait() == 128 + signal.SIGKILL
    assert not psutil.pid_exists(pid)
    assert not own_kafka.running
    await own_kafka.restart()
    assert own_kafka.bootstrap_servers == address
    assert await read(own_kafka, 2) == [b"one", b"two"]


async def test_kafka_makes_no_topics_by_itself(own_kafka):
    admin = AIOKafkaAdminClient(bootstrap_servers=own_kafka.bootstrap_servers)
    await admin.start()
    described = await admin.describe_topics(["nobody-made-this"])
    await admin.close()
    assert [topic["error_code"] for topic in described] == [3]  # unknown topic or partition


async def test_postgres_keeps_committed_data_and_its_address_through_kill_and_restart(own_postgres):
    url, pid = own_postgres.url, own_postgres.pid
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    busy = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
    children = [child.pid for child in psutil.Process(pid).children()]
    await own_postgres.kill()
    assert not any(psutil.pid_exists(one) for one in (pid, *children))
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await busy
    await own_postgres.restart()
    assert own_postgres.url == url
    assert await value_of(url, "SELECT answer FROM kept") == 42


async def test_postgres_asks_for_the_password(own_postgres):
    wrong = own_postgres.url.replace(own_postgres._password, "guess")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await value_of(wrong, "SELECT 1")


async def test_postgres_starts_where_the_dead_ones_process_id_is_another_programs(own_postgres):
    await own_postgres.kill()
    pid_file = own_postgres.directory / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    await own_postgres.start()
    assert await value_of(own_postgres.url, "SELECT 1") == 1


async def test_a_server_that_cannot_start_says_why_and_lets_go_of_its_directory(tmp_path):
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    await postgres.start()
    await postgres.stop()
    version = postgres.directory / "data" / "PG_VERSION"
    version.write_text("9\n")
    for _ in range(2):
        with pytest.raises(ServerStartError) as caught:
            await postgres.start()
        assert "ended with code 1" in str(caught.value)
        assert "database files are incompatible with server" in str(caught.value)
        assert str(postgres.log) in caught.value.remedy


async def test_a_directory_serves_one_at_a_time(tmp_path, own_postgres):
    other = EmbeddedPostgres(own_postgres.directory)
    with pytest.raises(DirectoryInUseError, match=f"in use by process {os.getpid()}"):
        await other.start()
    assert await value_of(own_postgres.url, "SELECT 1") == 1


async def test_given_services_are_used_as_they_are(tmp_path):
    given = {"kafka_bootstrap_servers": "kafka:9092", "database_url": "postgresql://db/x"}
    async with services(**given, directory=tmp_path / "none") as found:
        assert (found.kafka_bootstrap_servers, found.database_url) == ("kafka:9092", "postgresql://db/x")
        assert found.servers == {}
    assert not (tmp_path / "none").exists()


async def started_owner(directory: Path, kafka: str = "") -> tuple[asyncio.subprocess.Process, dict[str, int], str]:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(directory), kafka, stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    embedded, url = json.loads(await owner.stdout.readline())
    return owner, embedded, url


async def test_a_killed_owner_leaves_no_servers_and_a_successor_takes_over(tmp_path):
    owner, embedded, url = await started_owner(tmp_path)
    processes = [psutil.Process(pid) for pid in embedded.values()]
    everyone = [one.pid for parent in processes for one in (parent, parent.parent(), *parent.children())]
    assert set(embedded) == {"kafka", "postgres"}
    owner.kill()
    successor, second, second_url = await started_owner(tmp_path)  # at once: it waits for the lock
    await owner.wait()
    await until_gone(*everyone)
    assert second_url == url
    assert await value_of(url, "SELECT 1") == 1
    successor.kill()
    await successor.wait()
    await until_gone(*second.values())


async def test_a_killed_guard_takes_the_server_along(tmp_path):
    owner, embedded, _ = await started_owner(tmp_path, "given:9092")
    server = psutil.Process(embedded["postgres"])
    server.parent().kill()
    await until_gone(server.pid)
    owner.kill()
    await owner.wait()


async def test_ctrl_c_stops_in_order(tmp_path):
    owner, embedded, _ = await started_owner(tmp_path, "given:9092")
    # A terminal sends it to the whole foreground group; the servers are in sessions of their own.
    assert os.getsid(embedded["postgres"]) != os.getsid(owner.pid)
    owner.send_signal(signal.SIGINT)
    await owner.wait()
    await until_gone(*embedded.values())
    assert "database system is shut down" in (tmp_path / "postgres" / "postgresql.log").read_text()


async def test_two_directories_run_side_by_side(tmp_path):
    async with EmbeddedPostgres(tmp_path / "a") as first, EmbeddedPostgres(tmp_path / "b") as second:
        assert first.url != second.url
        assert await value_of(first.url, "SELECT 1") == await value_of(second.url, "SELECT 1") == 1


async def test_shared_services_and_a_fresh_database_per_test(kafka, postgres, fresh_database):
    assert kafka.bootstrap_servers
    assert fresh_database != postgres.url
    assert await value_of(fresh_database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


async def test_postgres_runs_from_a_place_that_only_its_owner_can_enter(tmp_path, monkeypatch):
    """As root, below a closed directory such as /root: the server's own user must still reach its programs."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = programs().parents[1]
    shutil.copytree(package, closed / package.name, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name, symlinks=True)
    monkeypatch.syspath_prepend(closed)
    assert programs().is_relative_to(closed)
    async with EmbeddedPostgres(closed / "postgres") as server:
        assert await value_of(server.url, "SELECT 1") == 1


async def test_nobody_else_can_enter_the_data_of_a_server(tmp_path):
    """Also where an earlier release left it open; and as root the server, another user then, must still reach it."""
    home = tmp_path / "home"
    (home / "postgres").mkdir(parents=True)
    home.chmod(0o700)
    (home / "postgres").chmod(0o755)
    async with EmbeddedPostgres(home / "postgres") as server:
        assert server.directory.stat().st_mode & 0o777 == 0o700
        assert await value_of(server.url, "SELECT 1") == 1
