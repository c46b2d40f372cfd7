"""From a case's stage to its evidence: what stands in the table, what the API says, what people could read."""

import asyncio
import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
from aiokafka.errors import KafkaError

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from schemas.topics import LLM_CALLS
from tests.builders import TENANT
from tests.chaos.evidence import Call, Evidence, Totals, Vitals
from tests.chaos.invariants.accounts import EVERYTHING, of_operation, of_tenant
from tests.chaos.stage import Stage, fetch

_ROWS = """SELECT call_id::text, tenant_id, operation, coalesce(record_id, request_id) AS record_id, status,
    error_class, http_status, input_tokens, output_tokens, cost_usd, llm_calls::text AS line FROM llm_calls"""
_TOTALS = """SELECT {name} AS name, count(*) AS calls, count(*) FILTER (WHERE status <> 'ok') AS failed,
    count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced,
    coalesce(sum(input_tokens) FILTER (WHERE status = 'ok'), 0)::bigint AS input_tokens,
    coalesce(sum(output_tokens) FILTER (WHERE status = 'ok'), 0)::bigint AS output_tokens,
    coalesce(sum(cost_usd), 0) AS cost_usd FROM llm_calls {grouped}"""
_PARTS: dict[str, Callable[[str], str]] = {"tenant_id": of_tenant, "operation": of_operation}
_ALWAYS = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


async def collect(stage: Stage) -> Evidence:
    """All that was observed, read once everything has come to rest."""
    await stage.sightings.caught_up()
    with contextlib.suppress(KafkaError, TimeoutError):  # a case that failed may never have had a group
        await stage.snapshot()
    rows = await fetch(stage.database, _ROWS)
    vitals = await _vitals(stage)
    await _scrape(stage)
    letters = stage.sightings.letters
    return Evidence(
        inputs=tuple(given for given in stage.inputs.sent if given.place[0] != LLM_CALLS.name),
        messages=tuple(stage.sightings.results),
        letters=tuple(letter for letter in letters if letter.source[0] != LLM_CALLS.name),
        letters_of_calls=tuple(letter for letter in letters if letter.source[0] == LLM_CALLS.name),
        topic_calls=tuple(stage.sightings.calls),
        foreign_calls=frozenset(stage.foreign_calls),
        rows=tuple(Call(**{name: row[name] for name in Call.__slots__}) for row in rows),
        served=tuple(served for each in (stage.ledger, *stage.more_ledgers) for served in each.served()),
        disturbances=tuple(stage.disturbances),
        samples=tuple(stage.samples),
        watched_seconds=stage.watched_seconds,
        told_by_api=await _told_by_api(stage.database),
        told_by_sql=await _told_by_sql(stage.database),
        vitals=vitals,
        watched=tuple(stage.watched),
        texts=stage.texts | {"llm_calls": "\n".join(row["line"] for row in rows)} | _said(stage),
        secrets=(stage.inputs.canary, stage.key),
        outcome_may_change=stage.outcome_may_change,
    )


def _said(stage: Stage) -> dict[str, str]:
    return {name: text for member in stage.members.values() for name, text in member.texts()}


async def _vitals(stage: Stage) -> dict[str, tuple[Vitals, Vitals]]:
    """Of the members that have lived since they were warmed up."""
    found = {}
    for name, (pid, before) in stage.vitals.items():
        member = stage.members[name]
        if member.alive and member.pid == pid:
            found[name] = (before, await member.vitals())
    return found


async def _scrape(stage: Stage) -> None:
    """Read the metrics of all members that live: they keep what they say. Who does not answer, has said nothing."""
    living = [member for member in stage.members.values() if member.alive]
    for said in await asyncio.gather(*(member.scrape() for member in living), return_exceptions=True):
        if isinstance(said, BaseException) and not isinstance(said, httpx.HTTPError):
            raise said


async def _told_by_sql(database: str) -> dict[str, Totals]:
    """What the table sums up to, by what the sums are of; each is a question of its own, plainer than the API's."""
    told = {EVERYTHING: _totals(await fetch(database, _TOTALS.format(name="NULL", grouped="")))[None]}
    for column, named in _PARTS.items():
        rows = await fetch(database, _TOTALS.format(name=column, grouped=f"GROUP BY {column}"))
        told |= {named(name): totals for name, totals in _totals(rows).items()}
    return told


def _totals(rows: list[Any]) -> dict[Any, Totals]:
    return {row["name"]: Totals(**{name: row[name] for name in Totals.__slots__}) for row in rows}


async def _told_by_api(database: str) -> dict[str, Totals]:
    """The same as the read API says it over HTTP, to a superuser and to a tenant of its own."""
    engine = create_engine(DatabaseSettings(url=database))
    try:
        keys = PostgresKeyStore(engine)
        everything = await keys.create("chaos", superuser=True)

        async def ready() -> bool:
            return True

        app = create_app(PostgresUsageAnswers(engine), keys, ready)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:

            async def asked(path: str, key: str) -> Any:
                headers = {"Authorization": f"Bearer {key}"}
                return (await client.get(path, params=_ALWAYS, headers=headers)).raise_for_status().json()

            told: dict[str, Totals] = {}
            for column, named in _PARTS.items():
                path = f"/v1/usage/all/by-{column.removesuffix('_id')}"
                for part in await asked(path, everything.text):
                    _tell(told, EVERYTHING if part[column] is None else named(part[column]), part)
            if of_tenant(TENANT) in told:
                _tell(told, of_tenant(TENANT), await asked("/v1/usage", (await keys.create(TENANT)).text))
    finally:
        await engine.dispose()
    return told


def _tell(told: dict[str, Totals], name: str, usage: dict[str, Any]) -> None:
    calls = usage["llm_calls"]
    totals = Totals(
        calls["total"],
        calls["failed"],
        calls["unpriced"],
        calls["input_tokens"]["total"] or 0,
        calls["output_tokens"]["total"] or 0,
        Decimal(calls["cost_usd"]),
    )
    # What is said again and is not the same gets a name that nobody else tells of.
    told[name if told.get(name, totals) == totals else f"{name}, asked again,"] = totals
