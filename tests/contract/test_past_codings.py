"""PastCodings: what trends rely on, held against the table and against the fake that unit tests use."""

from itertools import pairwise
from uuid import UUID

import pytest

from adapters.postgres.codings import PostgresCodingSink
from adapters.postgres.past_codings import MOST_RECORDS, PostgresPastCodings
from tests.codings_support import TENANT, MemoryPastCodings, a_coding
from tests.usage_support import migrated_database


class Both:
    """A port and the way to fill it."""

    def __init__(self, port, keep):
        self._port, self.keep = port, keep

    async def codes(self, *record_ids, tenant_id=TENANT):
        found = await self._port.codes_of(tenant_id, record_ids)
        assert {code.name for codes in found.values() for code in codes} <= {None}
        return {record_id: [code.code_id for code in codes] for record_id, codes in found.items()}


@pytest.fixture(params=["memory", "postgres"])
async def past(request, postgres):
    if request.param == "memory":
        memory = MemoryPastCodings()

        async def keep(*codings):
            memory.codings += codings

        yield Both(memory, keep)
        return
    async with migrated_database(postgres.url) as (_, engine):

        async def store(*codings):
            await PostgresCodingSink(engine).write(codings)

        yield Both(PostgresPastCodings(engine, 60), store)


async def test_the_latest_coding_counts_with_its_codes_in_their_order(past):
    later, earlier = a_coding("r", "c", "a", "b", minutes=5), a_coding("r", "x", "y", minutes=1)
    await past.keep(later, earlier, a_coding("s", "z"), a_coding("nobody's", "q"))

    assert await past.codes("r", "s", "unknown", "r") == {"r": ["c", "a", "b"], "s": ["z"]}


async def test_abstentions_are_left_out_also_where_they_are_the_latest(past):
    await past.keep(a_coding("r", "a"), a_coding("r", minutes=9), a_coding("s"))

    assert await past.codes("r", "s") == {"r": ["a"]}


async def test_frameworks_and_versions_make_no_difference(past):
    await past.keep(a_coding("r", "a", framework_id="f"), a_coding("r", "b", framework_id="g", minutes=1))
    await past.keep(a_coding("r", "c", framework_id="f", framework_version="2", minutes=2))

    assert await past.codes("r") == {"r": ["c"]}


async def test_of_codings_of_one_moment_the_highest_result_id_counts(past):
    codings = [a_coding("r", f"c{number}", result_id=UUID(int=number)) for number in (3, 9, 1)]
    await past.keep(*codings)

    assert await past.codes("r") == {"r": ["c9"]}


async def test_a_tenant_has_its_own_alone(past):
    await past.keep(a_coding("r", "mine"), a_coding("r", "theirs", tenant_id="others", minutes=1))

    assert await past.codes("r") == {"r": ["mine"]}
    assert await past.codes("r", tenant_id="others") == {"r": ["theirs"]}
    assert await past.codes("r", tenant_id="nobody") == {}


async def test_odd_ids_are_ids(past):
    odd = ["'; DROP TABLE codings; --", "{a,b}", '"', "\U0001f6b0", " ", "NULL", "x" * 255]
    await past.keep(*(a_coding(one, two) for one, two in pairwise([*odd, "end"])))

    assert await past.codes(*odd) == {one: [two] for one, two in pairwise([*odd, "end"])}


async def test_nothing_asked_is_nothing_found(past):
    assert await past.codes() == {}


async def test_more_records_than_one_statement_takes_are_found(past):
    ids = [f"r-{number}" for number in range(MOST_RECORDS + 3)]
    await past.keep(*(a_coding(ids[number], f"c{number}") for number in (0, MOST_RECORDS - 1, MOST_RECORDS + 2)))

    found = await past.codes(*ids)
    assert found == {ids[n]: [f"c{n}"] for n in (0, MOST_RECORDS - 1, MOST_RECORDS + 2)}
