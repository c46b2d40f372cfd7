"""The key store: what `feedback keys` and the API rely on, held against the table and against the fake."""

import pytest

from adapters.postgres.keys import PostgresKeyStore
from domain.errors import UserError
from domain.keys import digest, opens
from tests.usage_support import MemoryKeys, migrated_database


@pytest.fixture(params=["memory", "postgres"])
async def store(request, postgres):
    if request.param == "memory":
        yield MemoryKeys()
        return
    async with migrated_database(postgres.url) as (_, engine):
        yield PostgresKeyStore(engine)


async def test_a_key_is_found_by_its_prefix_and_opens(store):
    made = await store.create("red-cross", superuser=True, label="finance")

    found = await store.find(made.prefix)

    assert found is not None
    assert (found.tenant_id, found.superuser, found.label, found.revoked_at) == ("red-cross", True, "finance", None)
    assert found.sha256 == digest(made.text)
    assert opens(found, made.text)
    assert not opens(found, made.text + "x")
    assert await store.find("abcdefghijkl") is None


async def test_keys_are_listed_in_the_order_of_their_making(store):
    made = [await store.create(tenant) for tenant in ("b", "a", "c")]

    assert [key.prefix for key in await store.list()] == [key.prefix for key in made]


async def test_a_revoked_key_stays_in_the_list_and_keeps_its_first_moment(store):
    made = await store.create("red-cross")

    assert await store.revoke(made.prefix)
    first = (await store.find(made.prefix)).revoked_at
    assert await store.revoke(made.prefix)

    assert first is not None
    assert (await store.find(made.prefix)).revoked_at == first
    assert len(await store.list()) == 1
    assert not await store.revoke("abcdefghijkl")


@pytest.mark.parametrize(
    "tenant", ["Croix-Rouge, Genève", "'; DROP TABLE api_keys; --", " ", "\U0001f600", "a\nb", "%"]
)
async def test_odd_names_are_names(store, tenant):
    made = await store.create(tenant)

    assert (await store.find(made.prefix)).tenant_id == tenant


@pytest.mark.parametrize("tenant", ["", "x" * 256, "a\x00b", "\ud800"])
async def test_what_cannot_be_a_tenant_is_refused_in_a_sentence(store, tenant):
    with pytest.raises(UserError, match="1 to 255 characters"):
        await store.create(tenant)
