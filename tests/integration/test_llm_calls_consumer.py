"""`llm.calls` -> `llm_calls` on a real broker and a real database, through outages, rebalances and bad events."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text

from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.usage.exact import PostgresUsageReader
from consumers.llm_calls import LLMCallConsumerSettings, consume_llm_calls
from domain.errors import BugError, SinkUnavailableError, UserError
from domain.usage.report import Window
from tests import odd_headers
from tests.fakes import FakePublisher
from tests.integration.llm_calls_support import SECONDS, a_rig, until
from tests.usage_support import NOON, MemorySink, llm_call, many_calls, mortal_postgres


@pytest.fixture
async def rig(kafka, postgres):
    async with a_rig(kafka.bootstrap_servers, postgres.url) as rig:
        yield rig


async def test_every_call_is_a_row_once_and_its_offset_is_committed(rig):
    calls = many_calls(500)
    await rig.send(*calls, *calls[:100])

    async with rig.consuming(max_rows=64) as progress:
        await until(lambda: progress.stored + progress.repeated == 600)

    assert (progress.stored, progress.repeated) == (500, 100)
    assert await rig.rows() == 500
    assert await rig.committed() == 600
    async with rig.consuming() as again:
        await rig.send(llm_call())
        await until(lambda: again.stored)
    assert (again.stored, again.repeated) == (1, 0)


async def test_bad_events_among_good_ones_harm_nobody(rig):
    bad: list[Any] = [
        None,
        b"",
        b"{",
        b"null",
        b"{}",
        json.dumps({"schema_version": 2}).encode(),
        llm_call(provider="a\x00b"),
        b"\xff" * 100,
    ]
    good = many_calls(40)
    mixed = [value for pair in zip(good[:8], bad, strict=True) for value in pair]
    await rig.send(*mixed, *good[8:])

    async with rig.consuming() as progress:
        await until(lambda: progress.stored == 40 and progress.dead_lettered == 8)

    reasons = sorted(letter.reason for letter in rig.publisher.dead_letters())
    assert reasons == sorted(
        ["empty_payload"] * 2 + ["not_json"] * 3 + ["wrong_schema", "unknown_version", "not_storable"]
    )
    assert await rig.committed() == 48


async def test_absurd_figures_of_other_services_count_as_calls_and_in_no_sum(rig):
    dear = Decimal("999999.999999999999")
    absurd = [
        llm_call(input_tokens=2**63 - 1),
        llm_call(output_tokens=2**63 - 1, cost_usd=dear),
        llm_call(reasoning_output_tokens=10**12),
        llm_call(cost_usd=dear),
        llm_call(cost_usd=dear, status="error", error_class="TheirError"),
    ]
    await rig.send(*many_calls(3, cost_usd=Decimal("0.25")), *absurd)

    async with rig.consuming() as progress:
        await until(lambda: progress.stored == 8)

    window = Window(NOON, NOON + timedelta(days=1))
    answer = await PostgresUsageReader(rig.engine).of_tenant("red-cross", window)
    assert rig.publisher.dead_letters() == []
    for view in (answer.llm_calls, answer.invocations):
        assert (view.total, view.failed, view.unpriced) == (8, 1, 5)
        assert (view.cost_usd, view.failed_cost_usd) == (Decimal("0.75"), 0)
        assert (view.input_tokens.total, view.input_tokens.max) == (4 * 900, 900)  # of the dear one, too
        assert (view.output_tokens.total, view.output_tokens.max) == (4 * 60, 60)
    async with rig.engine.connect() as connection:
        sources = (await connection.execute(text("SELECT cost_source, count(*) FROM llm_calls GROUP BY 1"))).all()
    assert dict(map(tuple, sources)) == {"price list": 3, "implausible_usage": 5}


async def test_a_header_name_that_is_not_utf_8_costs_nobody_a_row(rig):
    odd = [(odd_headers.Name(odd_headers.ODD), None)]
    values = [llm_call().to_bytes(), llm_call().to_bytes(), b"{", llm_call().to_bytes()]
    await odd_headers.send(
        rig.producer, rig.topic, [(b"k", value, odd if place else []) for place, value in enumerate(values)]
    )
    await rig.send(*many_calls(6))

    async with rig.consuming() as progress:
        await until(lambda: progress.stored == 9 and progress.dead_lettered == 1)

    (letter,) = rig.publisher.dead_letters()
    assert [header.key for header in letter.headers] == [odd_headers.ODD_TOLD]
    assert await rig.committed() == 10


async def test_nothing_is_committed_before_dead_letters_are_acknowledged(rig):
    rig.publisher.open.clear()
    await rig.send(b"not json", llm_call())

    async with rig.consuming(drain_seconds=0.2) as progress:
        async with asyncio.timeout(SECONDS):
            while not await rig.rows():
                pass

    assert progress.dead_lettered == 0
    assert await rig.committed() == 0
    rig.publisher.open.set()
    async with rig.consuming() as again:
        await until(lambda: again.dead_lettered)
    assert (again.repeated, await rig.committed()) == (1, 2)


async def test_a_database_killed_under_load_loses_and_doubles_nothing(kafka, services_mode, tmp_path):
    async with (
        mortal_postgres(services_mode, tmp_path) as postgres,
        a_rig(kafka.bootstrap_servers, postgres.url) as rig,
        rig.consuming(max_rows=100) as progress,
    ):
        sending = asyncio.create_task(rig.send(*many_calls(6000)))
        await until(lambda: progress.stored > 300)
        await postgres.kill()
        await until(lambda: progress.outages)
        await sending
        await postgres.restart()
        await until(lambda: progress.stored + progress.repeated >= 6000)

        assert await rig.rows() == 6000
        await rig.until_committed(6000)
        assert rig.publisher.acknowledged == []


async def test_a_long_outage_keeps_the_place_in_the_group(rig, monkeypatch):
    polled_on, pauses, pause = asyncio.Event(), [], AIOKafkaConsumer.pause

    def paused(consumer, *partitions):
        pauses.append(partitions)
        if len(pauses) >= 3:
            polled_on.set()
        pause(consumer, *partitions)

    monkeypatch.setattr("consumers.tables.PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(AIOKafkaConsumer, "pause", paused)
    sink = MemorySink()
    sink.failures = 10**9
    await rig.send(*many_calls(30))

    async with rig.consuming(sink, session_seconds=6.0) as progress:
        await until(lambda: progress.outages)
        await rig.send(*many_calls(30))
        await asyncio.wait_for(polled_on.wait(), SECONDS)  # its patience is over: it pauses its partitions and polls
        assert await rig.committed() == 0
        sink.failures = 0
        await until(lambda: progress.stored == 60)

    assert progress.repeated == 0
    assert await rig.committed() == 60


async def test_consumers_that_come_and_go_share_the_work(rig):
    sink = PostgresLLMCallSink(rig.engine)
    sent = 0

    async with rig.consuming(sink, max_rows=50) as first:
        async with rig.consuming(sink, max_rows=50) as second, asyncio.timeout(SECONDS):
            while not (first.stored > 100 and second.stored > 100):
                await rig.send(*many_calls(60))
                sent += 60
        await rig.send(*many_calls(600))
        sent += 600
        await until(lambda: first.stored + second.stored >= sent)

    assert await rig.rows() == sent
    assert await rig.committed() == sent
    assert first.repeated + second.repeated <= 50


async def test_stopping_during_an_outage_ends_in_time_and_commits_nothing(rig):
    class Away:
        async def write(self, batch):
            raise SinkUnavailableError("The database cannot take LLM calls now.")

    await rig.send(*many_calls(10))

    async with rig.consuming(Away(), drain_seconds=0.5) as progress:  # bounded: see `consuming`
        await until(lambda: progress.outages)

    assert await rig.committed() == 0
    async with rig.consuming() as again:
        await until(lambda: again.stored == 10)


async def test_a_bug_in_the_store_is_not_swallowed(rig):
    called = asyncio.Event()

    class Broken:
        async def write(self, batch):
            called.set()
            raise ZeroDivisionError

    await rig.send(llm_call())

    with pytest.raises(BugError, match="ZeroDivisionError"):
        async with rig.consuming(Broken()):
            await asyncio.wait_for(called.wait(), SECONDS)
    assert await rig.committed() == 0


async def test_a_broker_that_is_not_there_is_told_in_a_sentence():
    settings = LLMCallConsumerSettings({"bootstrap_servers": "127.0.0.1:1"}, group_id="nobody", drain_seconds=1.0)

    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 cannot be reached"):
        await consume_llm_calls(settings, MemorySink(), FakePublisher(), asyncio.Event())
