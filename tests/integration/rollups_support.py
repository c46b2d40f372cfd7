"""What may happen to the rows that usage is counted from, and what may be asked: as hypothesis draws it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import Table, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.tables import llm_calls
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from domain.usage.calendar import UNITS
from domain.usage.questions import DIMENSIONS, UsageQuestion
from domain.usage.report import Window
from domain.usage.rolling import Rolled
from schemas.llm_calls import LLMCall
from tests.usage_model import Stored, assert_answers
from tests.usage_support import llm_call, many_calls

DAYS = [date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 2), date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 29)]
FAR_DAYS = [date(2990, 6, 30), date(2990, 7, 1)]
"""Of months that are not over, and that have no partition."""
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Kiritimati")
LONGEST = {None: 400, "hour": 3, "day": 45, "week": 120, "month": 400}
STORED_LATE = timedelta(days=3)


class Rig:
    """The real thing, and beside it the rows that must be in it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.sink = PostgresLLMCallSink(engine)
        self.answers = PostgresUsageAnswers(engine)
        self.rows: dict[UUID, Stored] = {}

    async def write(self, calls: list[LLMCall], late: timedelta) -> None:
        new = [call for call in calls if call.call_id not in self.rows]
        outcome = await self.sink.write(calls)
        assert (outcome.inserted, outcome.refused) == (len(new), ())
        for call in new:
            stored = call.timestamp + timedelta(milliseconds=call.call_duration_ms) + late
            await self._change(call.call_id, {"created_at": stored})
            self.rows[call.call_id] = Stored(call, stored)

    async def change(self, call_id: UUID, values: dict) -> None:
        await self._change(call_id, values)
        stored = self.rows[call_id]
        self.rows[call_id] = Stored(stored.call.model_copy(update=values), stored.created_at)

    async def _change(self, call_id: UUID, values: dict) -> None:
        async with self.engine.begin() as connection:
            done = await connection.execute(update(llm_calls).where(llm_calls.c.call_id == call_id).values(**values))
        assert done.rowcount == 1

    async def remove(self, call_ids: list[UUID]) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(delete(llm_calls).where(llm_calls.c.call_id.in_(call_ids)))
        for call_id in call_ids:
            del self.rows[call_id]

    async def roll(self, times: int, days_at_once: int) -> None:
        roller = PostgresUsageRoller(self.engine, days_at_once)
        for _ in range(times):
            assert isinstance(await roller.roll(), Rolled)

    async def roll_all(self) -> None:
        for _ in range(100):
            if await PostgresUsageRoller(self.engine).roll() == Rolled():
                return
        raise AssertionError("there is no end to rolling")

    async def ask(self, question: UsageQuestion) -> None:
        assert_answers(await self.answers.answer(question), question, list(self.rows.values()))

    async def count(self, table: Table) -> int:
        async with self.engine.connect() as connection:
            return (await connection.execute(select(func.count()).select_from(table))).scalar_one()

    def picked(self, picks: list[int]) -> list[UUID]:
        stored = list(self.rows)
        return list(dict.fromkeys(stored[pick % len(stored)] for pick in picks)) if stored else []


tokens = st.none() | st.integers(0, 5) | st.integers(0, 10_000_000)
moments = st.builds(
    lambda day, minute: datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute),
    st.sampled_from(DAYS * 3 + FAR_DAYS),
    st.sampled_from([0, 1, 60, 719, 1380, 1439]) | st.integers(0, 1439),
)
told = {
    "provider": st.sampled_from(["openai", "p"]),
    "request_model": st.sampled_from(["m", "é"]),
    "model": st.none() | st.sampled_from(["m", "m-2026"]),
    "status": st.sampled_from(["ok", "ok", "error"]),
    "error_class": st.none() | st.sampled_from(["TimeoutError", "\U0001f600"]),
    "prompt_version": st.none() | st.sampled_from(["v1", "v2"]),
    "call_duration_ms": st.floats(0, 10_000, allow_subnormal=False) | st.sampled_from([0.0, 0.0005, 10.0**12 / 7]),
    "input_tokens": tokens,
    "output_tokens": tokens,
    "cache_read_input_tokens": tokens,
    "reasoning_output_tokens": tokens,
    "cost_usd": st.none() | st.decimals(0, 10, places=12),
}


@st.composite
def invocations(draw) -> list[LLMCall]:
    """Up to three calls of one invocation, which may lie in other days and months than it began in."""
    started = draw(moments)
    shared = {
        "invocation_id": UUID(int=draw(st.integers(0, 2**128 - 1))),
        "invocation_started_at": started,
        "tenant_id": draw(st.sampled_from(["a", "B", "é"])),
        "operation": draw(st.sampled_from(["assign_codes", "somebody else's"])),
    }
    return [
        llm_call(
            **shared,
            **{name: draw(values) for name, values in told.items()},
            call_id=UUID(int=draw(st.integers(0, 2**128 - 1))),
            attempt=number,
            timestamp=started + timedelta(hours=draw(st.sampled_from([0, 0, 1, 23, 24 * 40]))),
        )
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]


@st.composite
def questions(draw) -> UsageQuestion:
    unit = draw(st.none() | st.sampled_from(UNITS))
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    start = draw(moments) - timedelta(days=draw(st.integers(0, 1 if unit == "hour" else 60)))
    # A day that is whole in its own zone, too.
    start = draw(
        st.sampled_from([start, start.replace(hour=0, minute=0), start.replace(hour=0, minute=0, tzinfo=zone)])
    )
    length = draw(st.timedeltas(timedelta(minutes=1), timedelta(days=LONGEST[unit])))
    length = draw(st.sampled_from([length, timedelta(days=length.days + 1)]))
    end = draw(st.sampled_from([start + length, datetime(2991, 1, 1, tzinfo=UTC)])) if unit is None else start + length
    filtered = draw(st.lists(st.sampled_from(DIMENSIONS), max_size=2, unique=True))
    values = {
        "tenant": st.sampled_from(["a", "B", "nobody"]),
        "operation": st.sampled_from(["assign_codes", "somebody else's"]),
        "model": st.sampled_from(["m", "m-2026", "é"]),
        "status": st.sampled_from(["ok", "error"]),
        "provider": st.sampled_from(["openai", "p"]),
        "error_class": st.none() | st.sampled_from(["TimeoutError", "\U0001f600"]),
        "prompt_version": st.none() | st.sampled_from(["v1", "v2"]),
    }
    return UsageQuestion(
        Window(start, end),
        group_by=tuple(draw(st.lists(st.sampled_from(DIMENSIONS), max_size=3, unique=True))),
        filters={name: tuple(draw(st.lists(values[name], min_size=1, max_size=2, unique=True))) for name in filtered},
        unit=unit,
        zone=zone,
        percentiles=tuple(draw(st.lists(st.sampled_from([0, 1.5, 5.0, 33.3, 50.0, 95.0, 99.9, 100.0]), unique=True))),
        ingested_before=draw(st.none() | st.none() | moments),
    )


picks = st.lists(st.integers(0, 1000), min_size=1, max_size=3)
steps = st.one_of(
    st.tuples(st.just("write"), st.lists(invocations(), min_size=1, max_size=4), st.sampled_from([0, 0, 1, 72])),
    st.tuples(st.just("again"), picks, st.just(0)),
    st.tuples(st.just("roll"), st.integers(1, 3), st.sampled_from([1, 2, 100])),
    st.tuples(st.just("roll all"), st.just(0), st.just(0)),
    st.tuples(st.just("change"), picks, st.fixed_dictionaries({}, optional=told | {"timestamp": moments})),
    st.tuples(st.just("began"), picks, moments),
    st.tuples(st.just("remove"), picks, st.just(0)),
    st.tuples(st.just("month"), st.sampled_from(DAYS + FAR_DAYS), st.just(0)),
    st.tuples(st.just("ask"), questions(), st.just(0)),
)


async def _write(rig: Rig, groups: list[list[LLMCall]], late: int) -> None:
    calls = {call.call_id: call for group in groups for call in group if call.call_id not in rig.rows}
    await rig.write(list(calls.values()), timedelta(hours=late))


async def _again(rig: Rig, picks: list[int], _: int) -> None:
    await rig.write([rig.rows[pick].call for pick in rig.picked(picks)] + many_calls(1), STORED_LATE)


async def _roll_all(rig: Rig, _: int, __: int) -> None:
    await rig.roll_all()


async def _change(rig: Rig, picks: list[int], values: dict[str, Any]) -> None:
    for pick in rig.picked(picks) if values else ():
        await rig.change(pick, values)


async def _began(rig: Rig, picks: list[int], moment: datetime) -> None:
    await _change(rig, picks, {"invocation_started_at": moment})


async def _remove(rig: Rig, picks: list[int], _: int) -> None:
    await rig.remove(rig.picked(picks))


async def _month(rig: Rig, day: date, _: int) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(text("SELECT ensure_llm_calls_month(:day)"), {"day": day})


async def _ask(rig: Rig, question: UsageQuestion, _: int) -> None:
    await rig.ask(question)


_DONE: dict[str, Callable[[Rig, Any, Any], Awaitable[None]]] = {
    "write": _write,
    "again": _again,
    "roll": Rig.roll,
    "roll all": _roll_all,
    "change": _change,
    "began": _began,
    "remove": _remove,
    "month": _month,
    "ask": _ask,
}


async def take(rig: Rig, step: tuple[str, Any, Any]) -> None:
    """Do what a step says."""
    what, which, how = step
    await _DONE[what](rig, which, how)
