"""The usage report, from real rows, held against its definition in plain Python."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.usage.exact import PostgresUsageReader
from domain.usage.report import View, Window
from schemas.llm_calls import LLMCall
from tests.usage_model import assert_same, view_of_calls, view_of_invocations
from tests.usage_support import NOON, forget_calls, llm_call, many_calls, migrated_database

DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
TENANTS = ("a", "B", "é")
OPERATIONS = ("assign_codes", "somebody else's")


@pytest.fixture(scope="module")
async def database(postgres):
    async with migrated_database(postgres.url) as (_, engine):
        yield engine


@pytest.fixture
async def store(database):
    async def fill(calls: list[LLMCall]) -> PostgresUsageReader:
        await forget_calls(database)
        outcome = await PostgresLLMCallSink(database).write(calls)
        assert outcome.inserted == len(calls)
        return PostgresUsageReader(database)

    return fill


minutes = st.integers(0, 240)
tokens = st.none() | st.integers(0, 5000)


@st.composite
def invocations(draw) -> list[LLMCall]:
    """Up to three calls of one invocation, around the edges of the windows; its calls may lie in other windows."""
    started = NOON + timedelta(minutes=draw(minutes))
    shared = {
        "invocation_id": UUID(int=draw(st.integers(0, 2**128 - 1))),
        "invocation_started_at": started,
        "tenant_id": draw(st.sampled_from(TENANTS)),
        "operation": draw(st.sampled_from(OPERATIONS)),
    }
    return [
        llm_call(
            **shared,
            attempt=number,
            timestamp=started + timedelta(minutes=draw(st.integers(0, 120))),
            status=draw(st.sampled_from(["ok", "error"])),
            call_duration_ms=draw(st.floats(0, 10_000, allow_subnormal=False)),
            input_tokens=draw(tokens),
            output_tokens=draw(tokens),
            cost_usd=draw(st.none() | st.decimals(0, 10, places=12)),
        )
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.lists(invocations(), max_size=8, unique_by=lambda calls: calls[0].invocation_id),
    edges=st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1]).map(sorted),
)
async def test_every_answer_is_what_the_definition_says(store, groups, edges):
    calls = [call for group in groups for call in group]
    usage = await store(calls)
    window = Window(*(NOON + timedelta(minutes=edge) for edge in edges))

    for tenant in TENANTS:
        own = [call for call in calls if call.tenant_id == tenant]
        assert_equal(await usage.of_tenant(tenant, window), own, window)
    by_tenant = await usage.by_tenant(window)
    for answer in by_tenant:
        assert_equal(answer, [call for call in calls if answer.tenant_id in (None, call.tenant_id)], window)
    by_operation = await usage.by_operation(window)
    for answer in by_operation:
        assert_equal(answer, [call for call in calls if answer.operation in (None, call.operation)], window)
    for names in ([one.tenant_id for one in by_tenant], [one.operation for one in by_operation]):
        assert names[-1] is None
        assert names[:-1] == sorted(set(names[:-1]))
    assert_adds_up(by_tenant)
    assert_adds_up(by_operation)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.lists(invocations(), max_size=8, unique_by=lambda calls: calls[0].invocation_id),
    edges=st.lists(minutes, min_size=3, max_size=6, unique=True).map(sorted),
)
async def test_windows_that_follow_each_other_add_up(store, groups, edges):
    usage = await store([call for group in groups for call in group])
    moments = [NOON + timedelta(minutes=edge) for edge in edges]

    parts = [(await usage.by_tenant(Window(*pair)))[-1] for pair in pairwise(moments)]
    whole = (await usage.by_tenant(Window(moments[0], moments[-1])))[-1]

    assert_adds_up([*parts, whole])


def assert_equal(answer, calls, window):
    assert (answer.start, answer.end) == (window.start, window.end)
    assert_same(answer.llm_calls, view_of_calls(calls, window))
    assert_same(answer.invocations, view_of_invocations(calls, window))


def assert_adds_up(answers):
    *parts, whole = answers
    for view in ("llm_calls", "invocations"):
        for number in ("total", "failed", "unpriced", "cost_usd", "failed_cost_usd"):
            assert sum(getattr(getattr(part, view), number) for part in parts) == getattr(getattr(whole, view), number)
        totals = [getattr(part, view).input_tokens.total or 0 for part in parts]
        assert sum(totals) == (getattr(whole, view).input_tokens.total or 0)


async def test_an_empty_window_is_zeros_and_nulls(store):
    usage = await store([])

    answer = await usage.of_tenant("red-cross", DAY)

    assert answer.llm_calls == answer.invocations == View()
    assert (answer.llm_calls.cost_usd, answer.llm_calls.duration_ms.avg) == (Decimal(0), None)
    assert [one.tenant_id for one in await usage.by_tenant(DAY)] == [None]
    assert (await usage.by_operation(DAY))[0].llm_calls == View()


async def test_windows_are_half_open_in_any_time_zone(store):
    usage = await store([llm_call(timestamp=NOON, invocation_started_at=NOON)])
    nepal = timezone(timedelta(hours=5, minutes=45))
    second = timedelta(seconds=1)

    for window, expected in (
        (Window(NOON, NOON + second), 1),
        (Window(NOON - second, NOON), 0),
        (Window(NOON.astimezone(nepal), (NOON + second).astimezone(UTC)), 1),
        (Window(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)), 1),
    ):
        answer = await usage.of_tenant("red-cross", window)
        assert (answer.llm_calls.total, answer.invocations.total) == (expected, expected)


async def test_an_invocation_belongs_wholly_to_its_beginning_and_fails_by_its_last_attempt(store):
    late = {"invocation_started_at": NOON, "invocation_id": uuid4()}
    usage = await store(
        [
            llm_call(**late, attempt=1, status="error", cost_usd=None, call_duration_ms=100, input_tokens=None),
            llm_call(**late, attempt=2, timestamp=DAY.end + timedelta(days=9), call_duration_ms=50, input_tokens=7),
        ]
    )

    answer = await usage.of_tenant("red-cross", DAY)

    assert (answer.llm_calls.total, answer.llm_calls.failed) == (1, 1)
    assert (answer.invocations.total, answer.invocations.failed, answer.invocations.unpriced) == (1, 0, 1)
    assert (answer.invocations.duration_ms.total, answer.invocations.input_tokens.total) == (150, 7)
    assert answer.invocations.cost_usd == Decimal("0.000125")


async def test_one_tenant_never_sees_another(store):
    usage = await store([*many_calls(3, tenant_id="a"), *many_calls(2, tenant_id="b"), llm_call(tenant_id="A")])

    assert (await usage.of_tenant("a", DAY)).llm_calls.total == 3
    assert (await usage.of_tenant("%", DAY)).llm_calls.total == 0
    assert [(one.tenant_id, one.llm_calls.total) for one in await usage.by_tenant(DAY)] == [
        ("A", 1),
        ("a", 3),
        ("b", 2),
        (None, 6),
    ]


async def test_the_largest_numbers_do_not_overflow(store):
    usage = await store(many_calls(3, input_tokens=2**63 - 1, cost_usd=Decimal("999999.999999999999")))

    answer = await usage.of_tenant("red-cross", DAY)

    assert answer.invocations.input_tokens.total == 3 * (2**63 - 1)
    assert '"cost_usd":"2999999.999999999997"' in answer.model_dump_json(by_alias=True)


async def test_the_lists_of_given_calls_hold_those_and_no_others(store):
    own = [llm_call(tenant_id="a"), llm_call(tenant_id="B", operation="somebody else's", status="error")]
    late = llm_call(tenant_id="a", timestamp=NOON + timedelta(days=9), invocation_started_at=NOON + timedelta(days=9))
    reader = await store([*own, late, *many_calls(5, tenant_id="a")])

    by_tenant, by_operation = await reader.of_calls([call.call_id for call in (*own, late)] + [uuid4()], DAY)

    assert [(one.tenant_id, one.llm_calls.total, one.invocations.total) for one in by_tenant] == [
        ("B", 1, 1),
        ("a", 2, 2),
        (None, 3, 3),
    ]
    assert_same(by_tenant[-1].llm_calls, view_of_calls([*own, late], Window(NOON, NOON + timedelta(days=10))))
    assert [(one.operation, one.llm_calls.failed) for one in by_operation] == [
        (own[0].operation, 0),
        ("somebody else's", 1),
        (None, 1),
    ]
    assert [len(entries) for entries in await reader.of_calls([], DAY)] == [1, 1]
