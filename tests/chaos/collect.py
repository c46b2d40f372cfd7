"""From a case's stage to its evidence: what stands in the table, what the API says, what people could read."""

import contextlib
from decimal import Decimal

import httpx
from aiokafka.errors import KafkaError

from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.usage import PostgresUsageReader
from api.app import create_app
from schemas.topics import LLM_CALLS
from tests.chaos.evidence import Call, Evidence, Totals, Vitals
from tests.chaos.stage import Stage, fetch

_ROWS = """SELECT call_id::text, tenant_id, operation, coalesce(record_id, request_id) AS record_id, status,
    error_class, http_status, input_tokens, output_tokens, cost_usd, llm_calls::text AS line FROM llm_calls"""
_TOTALS = """SELECT count(*) AS calls, count(*) FILTER (WHERE status <> 'ok') AS failed,
    count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced,
    coalesce(sum(input_tokens) FILTER (WHERE status = 'ok'), 0)::bigint AS input_tokens,
    coalesce(sum(output_tokens) FILTER (WHERE status = 'ok'), 0)::bigint AS output_tokens,
    coalesce(sum(cost_usd), 0) AS cost_usd FROM llm_calls"""
_ALWAYS = {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


async def collect(stage: Stage) -> Evidence:
    """All that was observed, read once everything has come to rest."""
    await stage.sightings.caught_up()
    with contextlib.suppress(KafkaError):  # a case that failed may never have had a group
        await stage.snapshot()
    rows = await fetch(stage.database, _ROWS)
    vitals = await _vitals(stage)
    letters = stage.sightings.letters
    return Evidence(
        inputs=tuple(given for given in stage.inputs.sent if given.place[0] != LLM_CALLS.name),
        messages=tuple(stage.sightings.results),
        letters=tuple(letter for letter in letters if letter.source[0] != LLM_CALLS.name),
        letters_of_calls=tuple(letter for letter in letters if letter.source[0] == LLM_CALLS.name),
        topic_calls=tuple(stage.sightings.calls),
        foreign_calls=frozenset(stage.foreign_calls),
        rows=tuple(Call(**{name: row[name] for name in Call.__slots__}) for row in rows),
        served=stage.ledger.served(),
        disturbances=tuple(stage.disturbances),
        samples=tuple(stage.samples),
        told_by_api=await _told_by_api(stage.database),
        told_by_sql=Totals(**dict((await fetch(stage.database, _TOTALS))[0])),
        vitals=vitals,
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


async def _told_by_api(database: str) -> Totals:
    """The grand total, as the read API says it over HTTP."""
    engine = create_engine(DatabaseSettings(url=database))
    try:
        keys = PostgresKeyStore(engine)
        key = await keys.create("chaos", superuser=True)

        async def ready() -> bool:
            return True

        app = create_app(PostgresUsageReader(engine), keys, ready)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            asked = {"Authorization": f"Bearer {key.text}"}
            answer = await client.get("/v1/usage/all/by-tenant", params=_ALWAYS, headers=asked)
        calls = answer.raise_for_status().json()[-1]["llm_calls"]
    finally:
        await engine.dispose()
    return Totals(
        calls["total"],
        calls["failed"],
        calls["unpriced"],
        calls["input_tokens"]["total"] or 0,
        calls["output_tokens"]["total"] or 0,
        Decimal(calls["cost_usd"]),
    )
