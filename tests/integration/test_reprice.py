"""`feedback reprice` on real rows: what it shows, what it stores, and what the answers say afterwards."""

import asyncio
import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import alembic_config
from adapters.postgres.reprice import PostgresRepricer, Scope
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from domain.usage.prices import read_prices
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from tests.usage_support import NOON, llm_call, migrated_database

SPRING = datetime(2026, 4, 10, 9, tzinfo=UTC)
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
PRICES = """
[[prices]]
model = "known"
valid_from = 2026-01-01
input = 0.000004
cached_input = 0.000001
output = 0.00001
reasoning = 0.00002

[[prices]]
model = "known"
valid_from = 2026-06-01
input = 0.000002
output = 0.000005
"""
LISTED = read_prices(tomllib.loads(PRICES, parse_float=Decimal), "The file")


def call(moment: datetime, **fields: Any):
    return llm_call(**{"timestamp": moment, "invocation_started_at": moment, "model": "known"} | fields)


CALLS = {
    "spring": call(
        SPRING, input_tokens=1000, cache_read_input_tokens=600, output_tokens=200, reasoning_output_tokens=150
    ),
    "autumn": call(NOON, input_tokens=1000, output_tokens=200, cost_usd=None, cost_source="unknown_model"),
    "asked": call(NOON, model=None, request_model="openai/known", status="error", input_tokens=10, output_tokens=0),
    "other": call(NOON, model="other", request_model="openai/other"),
    "untold": call(NOON, input_tokens=None, output_tokens=None, cost_usd=None, cost_source="missing_usage"),
    "odd": call(NOON, input_tokens=5, cache_read_input_tokens=6, output_tokens=1),
    "early": call(datetime(2025, 12, 31, 23, tzinfo=UTC)),
}
EXPECTED = {
    # 400 fresh and 600 cached tokens in, 50 of the answer and 150 of reasoning out.
    "spring": Decimal("0.0016") + Decimal("0.0006") + Decimal("0.0005") + Decimal("0.003"),
    "autumn": Decimal("0.002") + Decimal("0.001"),
    "asked": Decimal("0.00002"),
}


@pytest.fixture
async def database(postgres):
    async with migrated_database(postgres.url) as (settings, engine):
        await PostgresLLMCallSink(engine).write(list(CALLS.values()))
        yield settings, engine


async def stored(engine) -> dict[str, Any]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT call_id, cost_usd, cost_source, recorded_cost_usd, recorded_cost_source, repriced_at "
                "FROM llm_calls"
            )
        )
        by_id = {row.call_id: row for row in rows}
    return {name: by_id[one.call_id] for name, one in CALLS.items()}


async def reprice(engine, prices=LISTED, scope: Scope | None = None) -> int:
    repricer = PostgresRepricer(engine, prices, scope or Scope())
    return sum([count async for count in repricer.store(await repricer.survey())])


async def rolled(engine) -> None:
    roller = PostgresUsageRoller(engine)
    while (done := await roller.roll()) is not None and (done.days or done.weeks or done.months):
        pass


async def test_each_call_gets_the_price_of_its_moment_and_keeps_the_recorded_one(database):
    _, engine = database

    assert await reprice(engine) == len(EXPECTED)

    rows = await stored(engine)
    for name, row in rows.items():
        before = CALLS[name]
        if name in EXPECTED:
            assert (row.cost_usd, row.cost_source) == (EXPECTED[name], "price_file")
            assert (row.recorded_cost_usd, row.recorded_cost_source) == (before.cost_usd, before.cost_source)
            assert row.repriced_at is not None
        else:
            assert (row.cost_usd, row.cost_source, row.repriced_at) == (before.cost_usd, before.cost_source, None)


async def test_a_second_run_changes_nothing_and_another_price_keeps_what_was_recorded_first(database):
    _, engine = database
    await reprice(engine)
    first = await stored(engine)

    assert await reprice(engine) == 0
    assert await stored(engine) == first

    dearer = read_prices(
        {"prices": [{"model": "known", "valid_from": "2026-01-01", "input": "0.001", "output": "0.001"}]}, "The file"
    )
    assert await reprice(engine, dearer) == len(EXPECTED)
    again = await stored(engine)
    assert again["spring"].cost_usd == Decimal("1.2")
    assert again["spring"].recorded_cost_usd == CALLS["spring"].cost_usd
    assert again["autumn"].recorded_cost_usd is None


async def test_the_answers_follow_also_where_they_come_from_rollups(database):
    _, engine = database
    await rolled(engine)
    answers, question = PostgresUsageAnswers(engine), UsageQuestion(WINDOW, group_by=("model",))
    before = await answers.answer(question)

    await reprice(engine)
    marked = await answers.answer(question)
    await rolled(engine)
    after = await answers.answer(question)

    held = [row.cost_usd for name, row in (await stored(engine)).items() if name != "early"]
    cost = sum((one for one in held if one is not None), Decimal(0))
    assert before.total.llm_calls.cost_usd != cost
    assert (before.total.llm_calls.unpriced, after.total.llm_calls.unpriced) == (2, 1)
    for answer in (marked, after):
        assert answer.total.llm_calls.cost_usd == answer.total.invocations.cost_usd == cost


async def test_the_answer_names_the_models_without_a_price(database):
    _, engine = database
    answers = PostgresUsageAnswers(engine)
    lost = [call(SPRING + timedelta(days=one), model=None, cost_usd=None, status="error") for one in range(3)]
    await PostgresLLMCallSink(engine).write(lost)
    before = await answers.answer(UsageQuestion(WINDOW))
    await rolled(engine)
    by_status = UsageQuestion(WINDOW, group_by=("status",), filters={"status": ("error", "ok")})
    edges = Window(SPRING, WINDOW.end - timedelta(hours=1))
    for question in (UsageQuestion(WINDOW), by_status, UsageQuestion(edges, unit="week")):
        answer = await answers.answer(question)
        named = [(one.model, one.calls, one.failed) for one in answer.unpriced_models]
        assert named == [("gpt-x", 3, 3), ("known", 2, 0)]
        assert answer.unpriced_models == before.unpriced_models
        assert answer.total.llm_calls.unpriced == 5
        assert answer.total.llm_calls.cost_is_lower_bound
    assert sum(group.llm_calls.total for group in answer.groups) == answer.total.llm_calls.total

    answer = await answers.answer(UsageQuestion(WINDOW, filters={"model": ("other",)}))
    assert answer.unpriced_models == ()
    assert answer.model_dump(mode="json")["total"]["llm_calls"]["cost_is_lower_bound"] is False


@pytest.mark.parametrize(
    ("scope", "changed"),
    [
        (Scope(end=SPRING), 0),
        (Scope(end=SPRING + timedelta(microseconds=1)), 1),
        (Scope(start=NOON), 2),
        (Scope(tenant_id="another"), 0),
        (Scope(tenant_id="red-cross"), 3),
    ],
)
async def test_only_what_is_in_the_scope_is_priced(database, scope, changed):
    _, engine = database
    assert await reprice(engine, scope=scope) == changed


async def test_a_day_of_many_calls_is_stored_in_parts_none_left_out(database, monkeypatch):
    monkeypatch.setattr("adapters.postgres.reprice.BATCH_ROWS", 1)
    _, engine = database
    repricer = PostgresRepricer(engine, LISTED, Scope())
    assert sorted([count async for count in repricer.store(await repricer.survey())]) == [*[0] * 23, 1, 2]


async def test_the_command_shows_first_and_changes_only_when_asked(database, feedback_says, tmp_path):
    settings, engine = database
    file = tmp_path / "prices.toml"
    file.write_text(PRICES)
    before = await stored(engine)

    async def says(*arguments: object):
        return await asyncio.to_thread(feedback_says, "reprice", *arguments, DATABASE_URL=settings.url)

    dry = await says("--prices", file, "--dry-run")
    assert dry.code == 0, dry
    assert "3 calls would get another cost. Nothing was changed" in dry.out
    (known,) = [line.split() for line in dry.out.splitlines() if line.startswith(" known ")]
    assert known[1:3] == ["5", "2"]
    assert await stored(engine) == before

    assert "3 calls have another cost now" in (await says("--prices", file, "--from", "2026-01-01")).out
    assert (await stored(engine))["autumn"].cost_usd == EXPECTED["autumn"]
    assert "0 calls have another cost now" in (await says("--prices", file)).out


SECURITY = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
RIGHTS = SECURITY.split("```sql\nGRANT SELECT ON llm_calls,")[1].split("```")[0]


async def test_the_rights_that_are_told_are_enough_and_less_is_one_sentence(
    database, feedback_says, tmp_path, postgres
):
    settings, engine = database
    file = tmp_path / "prices.toml"
    file.write_text(PRICES)
    name = f"price_keeper_{uuid4().hex[:8]}"
    parts = urlsplit(settings.url)
    theirs = urlunsplit(parts._replace(netloc=f"{name}:pass@{parts.netloc.rpartition('@')[2]}"))
    first, second = f"GRANT SELECT ON llm_calls,{RIGHTS}".replace("price_keeper", name).strip().splitlines()

    async def says(*more: str):
        return await asyncio.to_thread(feedback_says, "reprice", "--prices", file, *more, DATABASE_URL=theirs)

    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'pass'"))
        await connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {name}"))
        await connection.execute(text(first))
        await connection.commit()
        try:
            assert (await says("--dry-run")).code == 0
            (await says()).assert_one_sentence("UPDATE (cost_usd)", "GRANT")
            await connection.execute(text(second))
            await connection.commit()
            assert "3 calls have another cost now" in (await says()).out
        finally:
            await connection.execute(text(f"DROP OWNED BY {name}"))
            await connection.execute(text(f"DROP ROLE {name}"))
            await connection.commit()


BAD_FILES = {
    "missing.toml": None,
    "no.toml": "[[prices]",
    "no.json": "{",
    "wrong.json": '{"prices": [{"model": "m"}]}',
    "binary.json": "\x00\x01",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_none_is_one_sentence(feedback_says, tmp_path: Path, name: str):
    content = BAD_FILES[name]
    if content is not None:
        (tmp_path / name).write_text(content)
    ended = feedback_says("reprice", "--prices", tmp_path / name, DATABASE_URL="postgresql://nobody@127.0.0.1:1/x")
    ended.assert_one_sentence(name)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "--prices"),
        (("--prices", "p.toml", "--from", "soon"), "--from"),
        (("--prices", "p.toml", "--from", "2026-02-01T00:00:00"), "offset"),
        (("--prices", "p.toml", "--from", "2026-02-01", "--to", "2026-01-01"), "before"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(feedback_says, arguments, word):
    feedback_says("reprice", *arguments).assert_one_sentence(word)


async def test_a_release_before_this_one_sees_the_recorded_costs(database):
    _, engine = database
    await reprice(engine)

    def down(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        revision = ScriptDirectory.from_config(config).get_revision("0006")
        command.downgrade(config, revision.down_revision)

    async with engine.begin() as connection:
        await connection.run_sync(down)
        rows = await connection.execute(text("SELECT call_id, cost_usd, cost_source FROM llm_calls"))
        held = {row.call_id: (row.cost_usd, row.cost_source) for row in rows}
    assert held == {one.call_id: (one.cost_usd, one.cost_source) for one in CALLS.values()}
