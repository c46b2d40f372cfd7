"""`feedback budgets` on a real broker and a real database: killed between telling and remembering, and a webhook."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

from aiohttp import web
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.webhook import signature
from schemas.budgets import BudgetThresholdCrossed
from tests.integration.roles_support import assert_refused, login
from tests.integration.system_support import eventually, feedback
from tests.usage_support import llm_call, migrated_database

BUDGETS = """
[[budgets]]
tenant = "frugal"
operation = "assign_codes"
period = "month"
zone = "Europe/Berlin"
limit_usd = 1
[[budgets]]
tenant = "lavish"
period = "day"
limit_usd = 1000
"""
SECRET = "s3cret"


class Receiver:
    """Refuses what it is told until `open`; keeps all of it."""

    def __init__(self) -> None:
        self.open = False
        self.taken: list[tuple[str, bytes]] = []
        self.refused = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self.open:
            self.refused.set()
            return web.Response(status=503)
        self.taken.append((request.headers["Feedback-Signature"], body))
        return web.Response(status=204)


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receiver, str]]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield receiver, f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def alerts(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer("usage.alerts", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def following(consumer: AIOKafkaConsumer, count: int) -> list[BudgetThresholdCrossed]:
    """The next so many events of our tenant."""
    found: list[BudgetThresholdCrossed] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            message = await consumer.getone()
            event = BudgetThresholdCrossed.model_validate_json(message.value)
            assert dict(message.headers)["ce_id"].decode() == str(event.alert_id)
            if event.tenant_id == "frugal":
                found.append(event)
    return found


async def spend(engine: AsyncEngine, usd: str | None) -> None:
    now = datetime.now(UTC)
    cost = None if usd is None else Decimal(usd)
    call = llm_call(tenant_id="frugal", timestamp=now, invocation_started_at=now, cost_usd=cost)
    await PostgresLLMCallSink(engine).write([call])


async def remembered(engine: AsyncEngine, where: str = "true") -> int:
    async with engine.connect() as connection:
        asked = text(f"SELECT count(*) FROM budget_alerts WHERE {where}")  # noqa: S608 - of this file
        return int((await connection.execute(asked)).scalar_one())


async def test_thresholds_are_told_once_in_effect_whoever_dies_and_the_webhook_gets_them_all(
    system_kafka, postgres, tmp_path
):
    (tmp_path / "budgets.toml").write_text(BUDGETS)
    async with (
        migrated_database(postgres.url) as (database, engine),
        login(engine, database.url, "feedback_budgets") as member,
        receiving() as (receiver, url),
        alerts(system_kafka) as consumer,
    ):
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": system_kafka,
            "DATABASE_URL": member.url,
            "BUDGETS_FILE": "budgets.toml",
            "BUDGET_SECONDS": 0.2,
            "BUDGETS_WEBHOOK_URL": url,
            "BUDGETS_WEBHOOK_SECRET": SECRET,
        }
        await spend(engine, "0.6")
        await spend(engine, None)
        async with engine.connect() as holding, feedback("budgets", cwd=tmp_path, **settings) as first:
            # It may read what was told, and cannot write that down.
            await holding.execute(text("LOCK TABLE budget_alerts IN SHARE MODE"))
            [told] = await following(consumer, 1)
            assert await first.ends(signal.SIGKILL) == -signal.SIGKILL
            await holding.rollback()
        assert await remembered(engine) == 0
        assert (told.threshold, told.spent_usd) == (Decimal("0.5"), Decimal("0.6"))
        assert (told.unpriced_calls, told.cost_is_lower_bound) == (1, True)
        assert told.forecast_usd >= told.spent_usd

        await spend(engine, "0.3")
        async with feedback("budgets", cwd=tmp_path, **settings) as second:
            again, further = await following(consumer, 2)
            assert (again.alert_id, again.threshold) == (told.alert_id, told.threshold)
            assert (further.threshold, further.spent_usd) == (Decimal("0.8"), Decimal("0.9"))
            # A webhook that refuses holds up neither this event nor the next one.
            await receiver.refused.wait()
            await spend(engine, "0.1")
            [last] = await following(consumer, 1)
            assert last.threshold == 1
            await second.says(r"did not take an alert \(status 503\)\. It is told again later")
            receiver.open = True
            await eventually(lambda: remembered_all(engine))
            assert await second.ends(signal.SIGTERM) == 0, second.errors
        assert sorted(body for _, body in receiver.taken) == sorted(one.to_bytes() for one in (again, further, last))
        assert all(signed == signature(SECRET, body) for signed, body in receiver.taken)

        async with feedback("budgets", "--once", cwd=tmp_path, **settings) as shown:
            assert await shown.ends() == 0, shown.errors
        [frugal] = [line.split() for line in shown.out.splitlines() if line.startswith("frugal")]
        assert frugal[1:3] == ["assign_codes", "month"]
        assert frugal[6:12] == [">=", "1.000000", "1", "#" * 20, "100", "%"]
        assert " ".join(frugal[-6:]) == "50 %, 80 %, 100 %"
        assert "lavish" in shown.out
        assert len(receiver.taken) == await remembered(engine) == 3
        await assert_refused(
            member,
            "UPDATE budget_alerts SET event = ''",
            "DELETE FROM budget_alerts",
            "INSERT INTO llm_calls (tenant_id) VALUES ('t')",
            "DELETE FROM usage_marks",
            "SELECT * FROM api_keys",
            "SELECT * FROM codings",
        )


async def remembered_all(engine: AsyncEngine) -> bool:
    return await remembered(engine, "webhook_at IS NOT NULL") == 3


async def test_a_mistake_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "wrong.toml").write_text(BUDGETS.replace("Europe/Berlin", "Europe/Bern"))
    (tmp_path / "right.toml").write_text(BUDGETS)
    (tmp_path / "no.toml").write_text("[[budgets")
    cases = {
        "No budget file is given": {},
        "cannot be read": {"BUDGETS_FILE": "nowhere.toml"},
        "is no TOML": {"BUDGETS_FILE": "no.toml"},
        r"`budgets[0].zone` is no IANA time zone": {"BUDGETS_FILE": "wrong.toml"},
        "without encryption": {"BUDGETS_FILE": "right.toml", "BUDGETS_WEBHOOK_URL": "http://example.org/x"},
        "and no webhook": {"BUDGETS_FILE": "right.toml", "BUDGETS_WEBHOOK_SECRET": "x"},
    }
    for said, settings in cases.items():
        async with feedback("budgets", cwd=tmp_path, **settings) as process:
            assert await process.ends() == 2
        assert said in process.errors
        assert process.errors.count("\n") == 1, process.errors


async def test_up_watches_budgets_only_where_there_is_a_file(tmp_path):
    async with feedback("up", cwd=tmp_path, BUDGETS_FILE="nowhere.toml") as up:
        assert await up.ends() == 2
    assert "The budget file nowhere.toml cannot be read" in up.errors
    assert json.dumps(up.out) == '""'
