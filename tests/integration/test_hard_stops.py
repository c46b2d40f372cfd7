"""Budgets with a hard stop on a real broker and a real database: who is paused, who is not, and what comes of it."""

import asyncio
import json
import logging
import secrets
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from sqlalchemy import text

from adapters.kafka.admin import retention_of
from adapters.kafka.connection import KafkaConnection
from adapters.postgres.llm_calls import PostgresLLMCallSink
from domain.delivery.replays import OF
from runtime.settings import load_settings
from runtime.wiring.pauses import watched_pauses
from schemas.topics import DEAD_LETTERS, RECORDS, SENSITIVITY, SUMMARIES
from tests.integration.crm_support import a_crm
from tests.integration.roles_support import assert_refused, login
from tests.integration.system_support import eventually, feedback, publishing, reading
from tests.integration.test_budgets import alerts, following
from tests.llm_server import running_llm_server
from tests.usage_support import llm_call, migrated_database

LOOKS = 1.0
"""Seconds between a worker's looks. An answer lasts for six, in which a busy machine must come to the next one; what
ends is sent again after eight."""

BUDGETS = """
[[budgets]]
tenant = "frugal"
period = "month"
limit_usd = {limit}
hard_stop = true
[[budgets]]
tenant = "lavish"
period = "month"
limit_usd = 1
"""
ASKED = ("summarize", "detect_sensitive")
RECORDS_EACH = 12


async def spend(engine, tenant: str, usd: str) -> None:
    now = datetime.now(UTC)
    call = llm_call(tenant_id=tenant, timestamp=now, invocation_started_at=now, cost_usd=Decimal(usd))
    await PostgresLLMCallSink(engine).write([call])


def a_record(tenant: str, number: int) -> dict[str, object]:
    return {
        "tenant_id": tenant,
        "record_id": f"{tenant}-{number}",
        "content": f"Report {number}: the tap is dry.",
        "operations": list(ASKED),
    }


def outcomes(crm, tenant: str, *topics: str) -> Counter[tuple[str, str]]:
    """How often each came so far for the tenant's records, by record and operation."""
    found: Counter[tuple[str, str]] = Counter()
    for message in crm.outcomes.messages:
        if message.topic in topics:
            event = json.loads(message.value)
            if event.get("tenant_id") == tenant:
                found[event["record_id"], event.get("operation") or message.topic] += 1
    return found


async def all_of(crm, tenant: str, *topics: str) -> Counter[tuple[str, str]]:
    """The same, once there are so many different ones, and all that came was read."""
    async with asyncio.timeout(120):
        while len(outcomes(crm, tenant, *topics)) < 2 * RECORDS_EACH:
            await crm.outcomes.until(lambda _: True, len(crm.outcomes.messages) + 1, 120)
    await crm.outcomes.all()
    return outcomes(crm, tenant, *topics)


@asynccontextmanager
async def a_stage(system_kafka, postgres, tmp_path):
    """A database with a user for each process, and the settings of `feedback budgets`."""
    async with (
        migrated_database(postgres.url) as (database, engine),
        login(engine, database.url, "feedback_budgets") as watch,
        login(engine, database.url, "feedback_worker") as worker,
    ):
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": system_kafka,
            "DATABASE_URL": watch.url,
            "BUDGETS_FILE": "budgets.toml",
            "BUDGET_SECONDS": 0.2,
            "BUDGET_PAUSE_SECONDS": LOOKS,
        }
        yield engine, worker, settings


@asynccontextmanager
async def kept_for_a_day(bootstrap: str) -> AsyncIterator[None]:
    """The topic of dead letters, as a broker's own default might keep it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()

    async def to(**changes: str) -> None:
        configs = {"cleanup.policy": "delete", **dict(DEAD_LETTERS.config), **changes}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, DEAD_LETTERS.name, configs=configs)])

    try:
        await to(**{"retention.ms": "86400000"})
        yield
    finally:
        await to()
        await admin.close()


async def unsent(engine) -> int:
    waiting = "SELECT count(*) FROM budget_pauses WHERE sent_again_at IS NULL"
    async with engine.connect() as connection:
        return (await connection.execute(text(waiting))).scalar_one()


async def test_a_tenant_over_its_budget_is_paused_and_answered_when_the_limit_is_raised(
    system_kafka, postgres, tmp_path
):
    (tmp_path / "budgets.toml").write_text(BUDGETS.format(limit=1))
    async with a_stage(system_kafka, postgres, tmp_path) as (engine, worker, settings):
        await spend(engine, "frugal", "1.0")
        await spend(engine, "lavish", "5.0")
        async with feedback("budgets", cwd=tmp_path, **settings) as first, alerts(system_kafka) as consumer:
            told = await following(consumer, 3)
            assert [one.hard_stop for one in told] == [False, False, True]
            async with a_crm(
                system_kafka, "stop", database_url=worker.url, budget_pause_seconds=LOOKS, dead_letter_share=0.5
            ) as crm:
                for number in range(RECORDS_EACH):
                    for tenant in ("frugal", "lavish"):
                        await crm.send(a_record(tenant, number), key=f"{tenant}-{number}".encode())
                # The other one goes on, on the same partition, and though it spent more: its budget has no hard stop.
                answered = await all_of(crm, "lavish", SUMMARIES.name, SENSITIVITY.name)
                assert set(answered.values()) == {1}
                left = await all_of(crm, "frugal", DEAD_LETTERS.name)
                assert set(left.values()) == {1}
                assert {operation for _, operation in left} == set(ASKED)
                letters = [json.loads(m.value) for m in crm.outcomes.messages if m.topic == DEAD_LETTERS.name]
                assert {one["reason"] for one in letters} == {"budget_exhausted"}
                assert not outcomes(crm, "frugal", SUMMARIES.name, SENSITIVITY.name)
                assert crm.provider.tally.attempts == 2 * RECORDS_EACH
                async with feedback("budgets", "--once", cwd=tmp_path, **settings) as shown:
                    assert await shown.ends() == 0, shown.errors
                rows = {line.split()[0]: line.split() for line in shown.out.splitlines() if line.strip()}
                assert (rows["frugal"][-7], rows["lavish"][-7]) == ("yes", "-"), shown.out

                # Killed, and the limit raised: whoever comes next ends the pause and sends all of it again.
                assert await first.ends(signal.SIGKILL) == -signal.SIGKILL
                (tmp_path / "budgets.toml").write_text(BUDGETS.format(limit=100))
                async with feedback("budgets", cwd=tmp_path, **settings) as second:
                    await second.says(rf"budget pauses that are over: 1; inputs sent again: {2 * RECORDS_EACH}")
                    results = await all_of(crm, "frugal", SUMMARIES.name, SENSITIVITY.name)
                    await eventually(lambda: nothing_is_left(engine))
                    assert await second.ends(signal.SIGTERM) == 0, second.errors
                assert set(results.values()) == {1}
                assert crm.provider.tally.attempts == 4 * RECORDS_EACH
                assert outcomes(crm, "frugal", DEAD_LETTERS.name) == left
                ids = {one["result_id"] for one in letters}
                assert ids == {
                    json.loads(m.value)["result_id"]
                    for m in crm.outcomes.messages
                    if m.topic in (SUMMARIES.name, SENSITIVITY.name) and json.loads(m.value)["tenant_id"] == "frugal"
                }

        # What was sent again is known to the command, too.
        chosen = ("--reason", "budget_exhausted", "--tenant", "frugal", "--yes")
        async with feedback("dead-letters", "replay", *chosen, cwd=tmp_path, **settings) as replayed:
            assert await replayed.ends() == 0, replayed.errors
        count = 2 * RECORDS_EACH
        assert replayed.out.splitlines()[-1].startswith(f"dead-letters: matched={count} replayed=0 already={count}")
        await assert_refused(worker, "SELECT limit_usd FROM budget_pauses", "DELETE FROM budget_pauses")


async def nothing_is_left(engine) -> bool:
    return await unsent(engine) == 0


async def test_a_worker_whose_database_is_away_pauses_nobody_and_says_so(caplog):
    settings = load_settings(database_url="postgresql://nobody:secret-word@127.0.0.1:1/none")
    with caplog.at_level(logging.WARNING):
        async with watched_pauses(settings) as found:
            assert not found.is_paused("frugal", "summarize")
    assert "nobody's LLM work is paused" in caplog.text
    assert "secret-word" not in caplog.text


async def test_dead_letters_that_are_deleted_before_a_pause_is_over_are_warned_of(system_kafka, postgres, tmp_path):
    kept = await retention_of(KafkaConnection(system_kafka), DEAD_LETTERS.name)
    assert kept is not None
    assert kept.days == 45  # as our own command makes the topic
    (tmp_path / "budgets.toml").write_text(BUDGETS.format(limit=1))
    async with (
        a_stage(system_kafka, postgres, tmp_path) as (_, _, settings),
        kept_for_a_day(system_kafka),
        feedback("budgets", cwd=tmp_path, **settings) as watch,
    ):
        await watch.says(r"keeps dead letters for 1 days, .* pause work for 32.*retention\.ms to 2764800000")
        assert await watch.ends(signal.SIGTERM) == 0, watch.errors


MANY = 400


@pytest.mark.long
async def test_none_is_lost_and_none_sent_twice_though_the_worker_and_the_watch_are_killed(
    system_kafka, postgres, tmp_path
):
    (tmp_path / "budgets.toml").write_text(BUDGETS.format(limit=1))
    async with (
        a_stage(system_kafka, postgres, tmp_path) as (engine, worker, settings),
        running_llm_server() as provider,
        publishing(system_kafka, linger_ms=5) as producer,
        reading(system_kafka, RECORDS.name, SUMMARIES.name, DEAD_LETTERS.name) as found,
    ):
        work = {
            "KAFKA_BOOTSTRAP_SERVERS": system_kafka,
            "WORKER_GROUP": f"killed-{secrets.token_hex(4)}",
            "WORKER_INSTANCE_ID": "one",
            "DATABASE_URL": worker.url,
            "BUDGET_PAUSE_SECONDS": LOOKS,
            "LLM_MODEL": "openai/gpt-4o-mini",
            "LLM_API_BASE": provider.base_url,
            "LLM_API_KEY": "sk-local",
        }
        await spend(engine, "frugal", "2")
        async with feedback("budgets", cwd=tmp_path, **settings) as watch:
            await watch.says("1 pauses began, 0 ended")
            records = [a_record("frugal", number) | {"operations": ["summarize"]} for number in range(MANY)]
            sent = [
                await producer.send(RECORDS.name, json.dumps(one).encode(), key=b"%d" % n)
                for n, one in enumerate(records)
            ]
            async with feedback("worker", cwd=tmp_path, **work) as killed:
                await found.until(lambda message: message.topic == DEAD_LETTERS.name)
                assert await killed.ends(signal.SIGKILL) == -signal.SIGKILL
            await asyncio.gather(*sent)
            async with feedback("worker", cwd=tmp_path, **work) as again:
                await until_different(found, DEAD_LETTERS.name, "dead_letter_id")
                assert provider.tally.attempts == 0
                assert await watch.ends(signal.SIGTERM) == 0, watch.errors
                (tmp_path / "budgets.toml").write_text(BUDGETS.format(limit=3))
                async with feedback("budgets", cwd=tmp_path, **settings) as broken_off:
                    await found.until(is_replay)
                    assert await broken_off.ends(signal.SIGKILL) == -signal.SIGKILL
                async with feedback("budgets", cwd=tmp_path, **settings) as last:
                    await last.says("budget pauses that are over: 1")
                    await until_different(found, SUMMARIES.name, "result_id")
                    assert await last.ends(signal.SIGTERM) == 0, last.errors
                assert await again.ends(signal.SIGTERM) == 0, again.errors
        replays = [message for message in await found.all(RECORDS.name) if is_replay(message)]
        assert len(replays) == len({dict(message.headers)[OF] for message in replays}) == MANY
        results = Counter(json.loads(message.value)["record_id"] for message in await found.all(SUMMARIES.name))
        assert results == dict.fromkeys((one["record_id"] for one in records), 1)
        assert provider.tally.attempts == MANY


def is_replay(message) -> bool:
    return message.topic == RECORDS.name and OF in dict(message.headers)


async def until_different(found, topic: str, name: str) -> None:
    """Return once there are so many different ids on the topic."""
    async with asyncio.timeout(120):
        while len({json.loads(message.value)[name] for message in found.messages if message.topic == topic}) < MANY:
            await found.until(lambda _: True, len(found.messages) + 1, 120)
