"""Who is told what: every address of the API, for everyone who may ask; and keys on a running API."""

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from sqlalchemy import text

from adapters.postgres.agreement import PostgresAgreementReader
from adapters.postgres.codings import PostgresCodingSink, PostgresCorrectionSink
from adapters.postgres.dead_letter_counts import PostgresDeadLetterReader
from adapters.postgres.dead_letters import PostgresDeadLetterSink
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import is_current
from adapters.postgres.usage.failures import PostgresFailureAnswers
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from runtime.embedded import ports
from tests.api_routes import paths_of
from tests.codings_support import a_coding, a_correction
from tests.dead_letters_support import a_dead_letter_row
from tests.integration.system_support import feedback, until_ready
from tests.integration.tls_front import with_netloc
from tests.usage_support import many_calls, migrated_database

WINDOW = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
OPEN, TENANT, SUPERUSER = "open to all, without a figure", "the key's own tenant", "superusers"
NAMED = "the tenant that is named, to its own keys and to superusers"

POLICY = {
    "/": OPEN,
    "/page/{name}": OPEN,
    "/docs": OPEN,
    "/openapi.json": OPEN,
    "/healthz": OPEN,
    "/readyz": OPEN,
    "/v1/key": TENANT,
    "/v1/usage": TENANT,
    "/v1/usage/query": NAMED,
    "/v1/usage/failures": NAMED,
    "/v1/usage/all/by-tenant": SUPERUSER,
    "/v1/usage/all/by-operation": SUPERUSER,
    "/v1/agreement": NAMED,
    "/v1/dead-letters": NAMED,
}
"""What each address may tell whom. A new one gets its line here first."""

TAKES = {
    **dict.fromkeys(("/v1/usage", "/v1/usage/all/by-tenant", "/v1/usage/all/by-operation"), frozenset(WINDOW)),
    "/v1/usage/query": {*WINDOW, "tenant", "group_by", "format"},
    **dict.fromkeys(("/v1/usage/failures", "/v1/dead-letters"), frozenset((*WINDOW, "tenant"))),
    "/v1/agreement": {*WINDOW, "framework_id", "tenant_id"},
}
"""What an address may be asked that refuses all other parameters."""

A, B = "tenant-alder", "tenant-birch"
FIGURES = {A: 111_000_001, B: 222_000_002}
"""The input tokens of one call of each tenant: a number that is found wherever it comes out."""


@dataclass
class World:
    url: str
    client: httpx.AsyncClient
    store: PostgresKeyStore
    paths: list[str]
    keys: dict[str, str] = field(default_factory=dict)

    async def ask(self, path: str, who: str, **extra: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[who]}"} if who in self.keys else {}
        # Nothing that a caller adds may make another tenant of it.
        named = {"X-Tenant-ID": B, "X-Forwarded-User": B, "Cookie": f"tenant_id={B}"}
        asked = WINDOW | {"framework_id": "community-feedback"} | extra
        asked = {name: value for name, value in asked.items() if name in TAKES.get(path, asked)}
        return await self.client.get(path.format(name="main.js"), params=asked, headers=headers | named)


@pytest.fixture(scope="module")
async def world(postgres) -> AsyncIterator[World]:
    async with migrated_database(postgres.url) as (settings, engine):
        for tenant, tokens in FIGURES.items():
            await PostgresLLMCallSink(engine).write(many_calls(1, tenant_id=tenant, input_tokens=tokens))
            code = f"code-{tokens}"
            await PostgresCodingSink(engine).write([a_coding("r-1", code, tenant_id=tenant)])
            await PostgresCorrectionSink(engine).write([a_correction("r-1", code, tenant_id=tenant)])
            await PostgresDeadLetterSink(engine).write([a_dead_letter_row(tenant_id=tenant, reason=f"code-{tokens}")])
        store = PostgresKeyStore(engine)
        agreement = PostgresAgreementReader(engine)
        app = create_app(
            PostgresUsageAnswers(engine),
            store,
            lambda: is_current(engine),
            agreement_reader=agreement,
            failure_answers=PostgresFailureAnswers(engine),
            dead_letter_reader=PostgresDeadLetterReader(engine),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            found = World(settings.url or "", client, store, paths_of(app))
            revoked = await store.create(A, superuser=True)
            found.keys = {
                "a": (await store.create(A)).text,
                "b": (await store.create(B)).text,
                "superuser": (await store.create("headquarters", superuser=True)).text,
                "revoked": revoked.text,
                "unknown": f"fbk_{'x' * 12}_{secrets.token_urlsafe(32)}",
            }
            await store.revoke(revoked.prefix)
            yield found


def seen_in(answer: httpx.Response) -> set[str]:
    """The tenants that an answer says anything of."""
    return {tenant for tenant in FIGURES if tenant in answer.text or str(FIGURES[tenant]) in answer.text}


def test_every_address_has_a_policy(world):
    assert set(world.paths) == set(POLICY)


ALLOWED = {
    OPEN: {"anonymous", "a", "b", "superuser", "revoked", "unknown"},
    TENANT: {"a", "b", "superuser"},
    SUPERUSER: {"superuser"},
    NAMED: {"b", "superuser"},
}
REFUSALS = {"anonymous": 401, "unknown": 401, "revoked": 401, "a": 403, "b": 403}


@pytest.mark.parametrize("who", ["anonymous", "a", "b", "superuser", "revoked", "unknown"])
async def test_everyone_is_told_what_is_theirs_and_no_more(world, who):
    for path in world.paths:
        policy = POLICY[path]
        answer = await world.ask(path, who, tenant_id=B, tenant=B)
        if who in ALLOWED[policy]:
            assert answer.status_code == 200, path
        else:
            assert answer.status_code == REFUSALS[who], path
            assert set(answer.json()) == {"error"}
        mine = {"a": {A}, "b": {B}}.get(who, set()) if policy == TENANT else set()
        if policy == NAMED and who in ALLOWED[NAMED]:
            mine = {B}  # the one that is named
        if path == "/v1/usage/all/by-tenant" and who == "superuser":
            mine = {A, B}
        if path != "/v1/usage/all/by-operation":
            assert seen_in(answer) == mine, path
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            refused = await world.client.request(method, path, headers={"Authorization": f"Bearer {world.keys['a']}"})
            assert refused.status_code == 405, (method, path)


@pytest.mark.parametrize("who", ["a", "b", "superuser"])
async def test_who_names_a_tenant_where_none_can_be_named_is_told_so(world, who):
    headers = {"Authorization": f"Bearer {world.keys[who]}"}
    for name in ("tenant", "tenant_id"):
        answer = await world.client.get("/v1/usage", params=WINDOW | {name: B}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_parameter")
        assert seen_in(answer) == set()


async def test_where_no_tenant_is_named_the_keys_own_is_meant(world):
    for who, tenants in {"a": {A}, "b": {B}, "superuser": set()}.items():
        assert seen_in(await world.ask("/v1/agreement", who)) == tenants
    for who, tenants in {"a": {A}, "b": {B}, "superuser": {A, B}}.items():
        assert seen_in(await world.ask("/v1/dead-letters", who)) == tenants
    # Of the usage a superuser who names none is told all.
    for who, tenants in {"a": {A}, "b": {B}, "superuser": {A, B}}.items():
        for form in ("json", "csv"):
            grouped = {"group_by": "tenant"} if who == "superuser" else {"group_by": "operation"}
            assert seen_in(await world.ask("/v1/usage/query", who, format=form, **grouped)) == tenants


async def test_the_sums_of_all_operations_are_for_superusers_only(world):
    answer = await world.ask("/v1/usage/all/by-operation", "superuser")
    assert answer.json()[-1]["llm_calls"]["input_tokens"]["total"] == sum(FIGURES.values())


async def test_a_running_api_that_can_only_read_heeds_revocation_and_limits(world, tmp_path):
    """With the least rights that docs/security.md gives it."""
    name, password, port = f"api_{secrets.token_hex(4)}", secrets.token_hex(16), ports.choose(set())
    async with world.store._engine.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'"))
        await connection.execute(text(f"GRANT feedback_api TO {name}"))
    busy, watched, other = [await world.store.create(A) for _ in range(3)]
    environment = {
        "DATABASE_URL": with_netloc(world.url, user=name, password=password),
        "API_PORT": port,
        "API_REQUESTS_PER_MINUTE": 5,
        "API_FAILURES_PER_MINUTE": 3,
    }
    url = f"http://127.0.0.1:{port}"
    try:
        async with (
            feedback("api", cwd=tmp_path, **environment),
            httpx.AsyncClient(base_url=url, timeout=30) as client,
        ):
            await until_ready(url)

            async def ask(key: str) -> httpx.Response:
                return await client.get("/v1/usage", params=WINDOW, headers={"Authorization": f"Bearer {key}"})

            answers = [await ask(busy.text) for _ in range(6)]
            assert [answer.status_code for answer in answers] == [200] * 5 + [429]
            assert answers[-1].json()["error"]["code"] == "rate_limited"
            assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60

            assert (await ask(watched.text)).status_code == 200
            async with feedback("keys", "revoke", watched.prefix, cwd=tmp_path, DATABASE_URL=world.url) as revoking:
                assert await revoking.ends() == 0, revoking.errors
            refused = await ask(watched.text)  # the very next one
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "revoked_key")

            tried = [await ask(f"guess-{number}") for number in range(3)]
            assert [answer.status_code for answer in tried] == [401, 401, 429]
            assert json.loads(tried[-1].text)["error"]["code"] == "rate_limited"
            assert (await ask(other.text)).status_code == 429  # not seen before: as good as a guess, for a minute
    finally:
        async with world.store._engine.begin() as connection:
            await connection.execute(text(f"DROP ROLE {name}"))
