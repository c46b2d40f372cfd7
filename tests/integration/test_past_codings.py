"""Our own codings in the trends of a real worker, and what it does without the database that holds them."""

import asyncio
import logging
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import asyncpg
import pytest

from adapters.postgres.codings import PostgresCodingSink
from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.past_codings import PostgresPastCodings
from domain.errors import UsageUnavailableError
from runtime.settings import load_settings
from runtime.wiring.past_codings import past_codings
from schemas.topics import REQUESTS
from tests.builders import TENANT
from tests.chaos.foreign import by_way_of
from tests.chaos.proxy import Proxy
from tests.codings_support import a_coding
from tests.integration.crm_support import a_crm
from tests.integration.system_support import empty_topics, eventually
from tests.integration.test_database_roles import login
from tests.integration.tls_front import with_netloc
from tests.usage_support import migrated_database

NOWHERE = "postgresql://nobody:secret-word@127.0.0.1:1/none"


@pytest.fixture(scope="module")
async def database(postgres):
    """The owner's settings and engine, with one coding of `r-1`."""
    async with migrated_database(postgres.url) as (settings, owner):
        await PostgresCodingSink(owner).write([a_coding("r-1", "water.dry", tenant_id=TENANT)])
        yield settings, owner


@asynccontextmanager
async def locked(url):
    """Nobody reads the table in this block: whoever asks waits."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE codings IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def analysis(crm, number):
    """The result of an analysis over a record that we coded and one with a code in its metadata."""
    records = [
        {"record_id": "r-1", "content": "The tap is dry.", "created_at": "2026-11-20T09:00:00Z"},
        {"record_id": "r-2", "content": "No doctor.", "metadata": {"codes": ["health"]}},
    ]
    asked = {"tenant_id": TENANT, "request_id": f"q-{number}", "instruction": "What is amiss?", "records": records}
    return await crm.result(await crm.send(asked, key=b"q", topic=REQUESTS.name), "analyze")


def counted(found):
    trend = found["trend"]
    return found["own_codings"], [code["code_id"] for code in trend["codes"]], trend["from_assignments"]


async def test_a_worker_with_a_database_counts_our_own_codings_and_goes_on_without_them(system_broker, database):
    settings, owner = database
    await empty_topics(system_broker)
    async with login(owner, settings.url, "feedback_worker") as least:
        changes = {"database_url": least.url, "past_codings_wait_seconds": 2}
        async with a_crm(system_broker, "past", **changes) as crm:
            assert counted(await analysis(crm, 1)) == ("read", ["health", "water.dry"], 1)
            async with locked(settings.url):
                assert counted(await analysis(crm, 2)) == ("unavailable", ["health"], 0)
            assert counted(await analysis(crm, 3)) == ("read", ["health", "water.dry"], 1)


async def test_a_worker_whose_database_is_away_starts_and_answers_and_says_so(system_broker, caplog):
    await empty_topics(system_broker)
    with caplog.at_level(logging.WARNING):
        async with a_crm(system_broker, "past", database_url=NOWHERE) as crm:
            assert counted(await analysis(crm, 1)) == ("unavailable", ["health"], 0)
            assert counted(await analysis(crm, 2)) == ("unavailable", ["health"], 0)
    told = [record.getMessage() for record in caplog.records if "from metadata only" in record.getMessage()]
    assert [line.partition("(")[0] for line in sorted(told)] == [
        "Our own codings could not be read ",
        "The database at 127.0.0.1:1/none cannot be reached ",
    ]
    assert "secret-word" not in caplog.text


async def test_a_worker_without_a_database_counts_metadata_and_says_so(system_broker):
    await empty_topics(system_broker)
    async with a_crm(system_broker, "past") as crm:
        assert counted(await analysis(crm, 1)) == ("not_configured", ["health"], 0)


async def test_a_server_that_falls_silent_is_given_up_and_used_again_when_it_answers(database):
    settings, _ = database
    where = urlsplit(settings.url)
    async with Proxy(where.hostname, where.port) as proxy:
        engine = create_engine(DatabaseSettings(url=by_way_of(proxy, settings.url), pool_size=1))
        codings = PostgresPastCodings(engine, 10)
        assert await codings.codes_of(TENANT, ["r-1"])  # its connection is kept, and will be asked
        silent = PostgresPastCodings(engine, 0.3)
        proxy.blackhole()
        for _ in range(2):
            with pytest.raises(UsageUnavailableError, match=r"within 0\.3 s"):
                await silent.codes_of(TENANT, ["r-1"])
        proxy.pass_all()
        assert await codings.codes_of(TENANT, ["r-1"])
        await silent.aclose()
        await codings.aclose()
        await engine.dispose()


async def test_whoever_asked_may_go_away_and_nothing_is_left_under_way(database):
    settings, owner = database
    codings = PostgresPastCodings(owner, 2)
    watching = await asyncpg.connect(settings.url)

    async def waiting():
        return (
            await watching.fetchval(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'codings'::regclass"
            )
            > 0
        )

    async def nobody_waits():
        return not await waiting()

    try:
        async with locked(settings.url):
            asking = asyncio.create_task(codings.codes_of(TENANT, ["r-1"]))
            await eventually(waiting)
            asking.cancel()
            await asyncio.wait({asking})
            assert asking.cancelled()
            await codings.aclose()
            await eventually(nobody_waits)  # on the server neither, though the table is locked still
    finally:
        await watching.close()
    assert await codings.codes_of(TENANT, ["r-1"])


async def told(caplog, words):
    return words in caplog.text


async def test_what_the_database_lacks_is_a_warning_with_its_remedy(database, fresh_database, caplog):
    settings, owner = database
    async with login(owner, settings.url, None) as stranger:
        cases = {
            "feedback migrate": fresh_database,
            "refused the user name or the password": with_netloc(stranger.url, password="wrong"),
            "docs/security.md": stranger.url,
        }
        for said, url in cases.items():
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                async with past_codings(load_settings(database_url=url)) as codings, asyncio.timeout(30):
                    with pytest.raises(UsageUnavailableError):
                        await codings.codes_of(TENANT, ["r-1"])
                    await eventually(partial(told, caplog, said))
