"""The proxy before an echo, a real Kafka and a real PostgreSQL: what it breaks is broken, and nothing else."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.produce import ProduceResponse_v8
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from tests.chaos.kafka_framing import Frames, written_topics
from tests.chaos.postgres_framing import PostgresFilter
from tests.chaos.proxied_kafka import ProxiedKafka, proxied_kafka
from tests.chaos.proxy import PostgresProxy, Proxy
from tests.services import Postgres

TOPIC = TopicPartition("behind-the-proxy", 0)


@pytest.fixture
async def echo() -> AsyncIterator[Proxy]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Proxy("127.0.0.1", port, rng=random.Random(4)) as proxy, asyncio.timeout(15):
        yield proxy


async def connect(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_all_passes_in_order_however_large_and_however_late(echo):
    reader, writer = await connect(echo)
    echo.delay(0.02, jitter=0.02)
    sent = random.Random(1).randbytes(700_000)
    writer.write(sent)
    writer.write_eof()
    assert await reader.read() == sent
    assert echo.delayed > 1
    writer.close()


async def test_a_cut_ends_what_lives_and_refuses_what_comes(echo):
    reader, writer = await connect(echo)
    writer.write(b"before")
    assert await reader.readexactly(6) == b"before"
    echo.cut()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await connect(echo)
    assert not echo.open
    echo.pass_all()
    reader, writer = await connect(echo)
    writer.write(b"after")
    assert await reader.readexactly(5) == b"after"
    writer.close()


async def test_a_black_hole_swallows_and_leaves_alone_who_was_silent(echo):
    silent, talking = await connect(echo), await connect(echo)
    for reader, writer in (silent, talking):
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
    echo.blackhole()
    new = await connect(echo)
    for _, writer in (talking, new):
        writer.write(b"lost")
    await echo.until(lambda: echo.swallowed == 8)
    assert echo.open == 3
    assert not talking[0].at_eof()
    echo.pass_all()
    assert await talking[0].read() == await new[0].read() == b""
    silent[1].write(b"after")
    assert await silent[0].readexactly(5) == b"after"
    for _, writer in (silent, talking, new):
        writer.close()


@pytest.mark.parametrize("step", [1, 7, 64, 10_000])
def test_frames_are_found_however_tcp_cuts_them(step):
    frames = [len(body).to_bytes(4, "big") + body for body in (b"head", b"x" * 300, b"tail" * 9)]
    stream, splitter = b"".join(frames), Frames()
    found = [frame for at in range(0, len(stream), step) for frame in splitter.feed(stream[at : at + step])]
    assert found == frames


def test_a_refused_record_was_not_written():
    def answer(error: int) -> bytes:
        body = ProduceResponse_v8([("t", [(0, 0, 5, -1, 0, [], None), (1, error, 5, -1, 0, [], None)])], 0).encode()
        return bytes(8) + body

    assert written_topics(8, answer(0)) == {"t"}
    assert written_topics(8, answer(6)) == frozenset()


def postgres_message(kind: bytes, content: bytes) -> bytes:
    return kind + (len(content) + 4).to_bytes(4, "big") + content


@pytest.mark.parametrize("step", [1, 5, 1000])
@pytest.mark.parametrize(
    ("tags", "state", "lost"),
    [
        (["COMMIT"], b"I", True),
        (["BEGIN", "INSERT 0 1", "COMMIT"], b"I", True),
        (["INSERT 0 1"], b"I", True),
        (["COPY 1"], b"I", True),
        (["COPY 1"], b"T", False),
        (["INSERT 0 1"], b"T", False),
        (["BEGIN", "INSERT 0 1", "ROLLBACK"], b"I", False),
        (["SELECT 1"], b"I", False),
    ],
)
def test_what_tells_of_a_commit(tags, state, lost, step):
    reading = PostgresFilter(lambda: True)
    reading.from_client((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
    completed = b"".join(postgres_message(b"C", tag.encode() + b"\0") for tag in tags)
    login = b"N" + postgres_message(b"R", bytes(4)) + postgres_message(b"Z", b"I")
    stream = login + completed + postgres_message(b"Z", state)
    passed = [reading.from_server(stream[at : at + step]) for at in range(0, len(stream), step)]
    assert any(part.lost for part in passed) == lost
    assert b"".join(part.data for part in passed) == (login if lost else stream)


@pytest.fixture(scope="module")
async def broker(tmp_path_factory) -> AsyncIterator[ProxiedKafka]:
    directory: Path = tmp_path_factory.mktemp("proxied-kafka")
    async with proxied_kafka(directory, rng=random.Random(4)) as kafka:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic(TOPIC.topic, 1, 1)])
        await admin.close()
        yield kafka


@pytest.fixture
async def producer(broker) -> AsyncIterator[AIOKafkaProducer]:
    """Behind the proxy; what it sent before is forgotten."""
    broker.proxy.pass_all()
    async with AIOKafkaProducer(
        bootstrap_servers=broker.proxied_bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        max_request_size=1_000_000,
        request_timeout_ms=1500,
    ) as producer:
        await producer.send_and_wait(TOPIC.topic, b"warm")
        yield producer
        broker.proxy.pass_all()


async def stored_from(broker: ProxiedKafka, offset: int) -> list[bytes]:
    """Everything on the topic from there on, asked of the broker itself."""
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers) as consumer:
        consumer.assign([TOPIC])
        end = (await consumer.end_offsets([TOPIC]))[TOPIC]
        consumer.seek(TOPIC, offset)
        return [(await consumer.getone()).value for _ in range(offset, end)]


async def test_a_lost_acknowledgement_is_a_record_that_stands_there_once(broker, producer):
    large = random.Random(2).randbytes(600_000)
    predecessor = await producer.send_and_wait(TOPIC.topic, b"predecessor")
    broker.proxy.lose_produce_responses(2, topic=TOPIC.topic)
    before = broker.proxy.lost
    sending = asyncio.create_task(producer.send_and_wait(TOPIC.topic, large))
    async with asyncio.timeout(20):
        await broker.proxy.lost_one()
        await broker.proxy.lost_one()
        receipt = await sending
    assert broker.proxy.lost - before == 2
    assert receipt.offset == predecessor.offset + 1
    assert await stored_from(broker, receipt.offset) == [large]


async def test_a_message_outlasts_a_black_hole(broker, producer):
    proxy = broker.proxy
    proxy.blackhole()
    connections = proxy.connections
    sending = asyncio.create_task(producer.send_and_wait(TOPIC.topic, b"patient"))
    async with asyncio.timeout(20):
        await proxy.until(lambda: proxy.connections > connections)  # the producer gave up a connection
        proxy.pass_all()
        receipt = await sending
    assert await stored_from(broker, receipt.offset) == [b"patient"]


async def test_a_late_broker_is_obeyed(broker, producer):
    broker.proxy.delay(0.2, jitter=0.1)
    delayed, loop = broker.proxy.delayed, asyncio.get_running_loop()
    start = loop.time()
    receipt = await producer.send_and_wait(TOPIC.topic, b"late")
    assert loop.time() - start > 0.09  # it cannot come sooner
    assert broker.proxy.delayed > delayed
    assert await stored_from(broker, receipt.offset) == [b"late"]


async def test_a_restarted_broker_is_behind_the_same_proxy(broker, producer):
    address, connections = broker.proxied_bootstrap_servers, broker.proxy.connections
    await broker.restart()
    async with asyncio.timeout(20):
        receipt = await producer.send_and_wait(TOPIC.topic, b"again")
    assert broker.proxied_bootstrap_servers == address
    assert broker.proxy.connections > connections
    assert await stored_from(broker, receipt.offset) == [b"again"]


class NotToldError(Exception):
    """The connection ended before the answer."""


async def in_a_transaction(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("INSERT INTO rows SELECT 'row' FROM generate_series(1, $1)", 1)
    except asyncpg.PostgresConnectionError as error:
        raise NotToldError from error


async def by_itself(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("INSERT INTO rows SELECT $1", "row")
    except asyncpg.PostgresConnectionError as error:
        raise NotToldError from error


async def by_sqlalchemy(url: str) -> None:
    engine = create_async_engine(urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg")), pool_pre_ping=True)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO rows SELECT 'row'"))
    except DBAPIError as error:
        if error.connection_invalidated:
            raise NotToldError from error
        raise
    finally:
        await engine.dispose()


async def test_a_commit_without_an_answer_is_a_commit(postgres: Postgres, fresh_database: str):
    server = urlsplit(fresh_database)
    assert server.hostname is not None
    direct = await asyncpg.connect(fresh_database)
    await direct.execute("CREATE TABLE rows (value text)")
    async with PostgresProxy(server.hostname, server.port or 5432) as proxy, asyncio.timeout(20):
        url = urlunsplit(server._replace(netloc=f"{server.username}:{server.password}@{proxy.address}"))
        for count, insert in enumerate((in_a_transaction, by_itself, by_sqlalchemy), start=1):
            proxy.lose_commit_reply(1)
            with pytest.raises(NotToldError):
                await insert(url)
            await proxy.lost_one()
            assert proxy.lost == count
            assert await direct.fetchval("SELECT count(*) FROM rows") == count

        through = await asyncpg.connect(url)  # and the next one is told
        await through.execute("INSERT INTO rows SELECT 'row'")
        assert len(await through.fetchval("SELECT repeat('x', 500000)")) == 500_000
        await through.close()
    assert await direct.fetchval("SELECT count(*) FROM rows") == 4
    await direct.close()
