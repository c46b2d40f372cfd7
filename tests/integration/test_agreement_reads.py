"""Agreement from the real tables, held against the same rules written out in Python over the same events."""

import random
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

import pytest

from adapters.postgres.agreement import PostgresAgreementReader
from adapters.postgres.codings import PostgresCodingSink, PostgresCorrectionSink
from domain.agreement import AgreementCounts, AgreementQuestion, CodeCounts
from domain.ports import BatchOutcome, IdentifiedCorrection
from domain.usage.report import Window
from schemas.results import CodesAssigned
from tests.codings_support import FRAMEWORK, NOON, TENANT, a_coding, a_correction
from tests.usage_support import migrated_database

ALWAYS = Window(NOON - timedelta(days=1), NOON + timedelta(days=1))


@pytest.fixture
async def engine(postgres):
    async with migrated_database(postgres.url) as (_, engine):
        yield engine


async def store(engine, codings: list[CodesAssigned], corrections: list[IdentifiedCorrection]) -> None:
    assert (await PostgresCodingSink(engine).write(codings)).refused == ()
    assert (await PostgresCorrectionSink(engine).write(corrections)).refused == ()


def told(
    codings: list[CodesAssigned], corrections: list[IdentifiedCorrection], question: AgreementQuestion
) -> AgreementCounts:
    """The rules of `domain.agreement`, slowly."""
    judged: list[tuple[set[str], set[str]]] = []
    asked = (question.tenant_id, question.framework_id)
    given = sorted(
        (one for one in corrections if (one.correction.tenant_id, one.correction.framework_id) == asked),
        key=lambda one: (one.correction.record_id, one.correction.corrected_at, one.event_id.int),
    )
    in_window = [one for one in given if question.window.start <= one.correction.corrected_at < question.window.end]
    for record, mine in groupby(in_window, key=lambda one: one.correction.record_id):
        latest = list(mine)[-1].correction
        candidates = [
            coding
            for coding in codings
            if (coding.tenant_id, coding.framework_id, coding.record_id) == (*asked, record)
            and (
                coding.completed_at <= latest.corrected_at
                if latest.result_id is None
                else coding.result_id == latest.result_id
            )
        ]
        if not candidates:
            continue
        coding = max(candidates, key=lambda one: (one.completed_at, one.result_id.int))
        if question.framework_version in (None, coding.framework_version):
            judged.append(({code.code_id for code in coding.codes}, set(latest.code_ids)))
    codes = sorted(set().union(*(ours | theirs for ours, theirs in judged)))
    return AgreementCounts(
        len(judged),
        sum(ours == theirs for ours, theirs in judged),
        tuple(
            CodeCounts(
                code,
                sum(code in ours for ours, _ in judged),
                sum(code in theirs for _, theirs in judged),
                sum(code in ours & theirs for ours, theirs in judged),
            )
            for code in codes
        ),
    )


def anything(chance: random.Random, records: int) -> tuple[list[CodesAssigned], list[IdentifiedCorrection]]:
    """Codings and corrections of all kinds: several of a record, at one moment, naming any coding or none."""

    def common() -> dict[str, object]:
        return {
            "tenant_id": chance.choice((TENANT, TENANT, TENANT, "other")),
            "framework_id": chance.choice((FRAMEWORK, FRAMEWORK, FRAMEWORK, "other")),
            "minutes": chance.randrange(6),
        }

    def record() -> str:
        return f"r-{chance.randrange(records)}"

    def codes() -> list[str]:
        return chance.sample("abcd", chance.choice((0, 1, 1, 2)))

    codings = [
        a_coding(record(), *codes(), framework_version=chance.choice("12"), **common()) for _ in range(2 * records)
    ]
    named = [None, None, UUID(int=1), *(coding.result_id for coding in codings)]
    own = {coding.record_id: coding.result_id for coding in codings}
    corrections = []
    for _ in range(2 * records):
        about = record()
        ours = chance.choice((None, own.get(about), chance.choice(named)))
        corrections.append(a_correction(about, *codes(), *codes(), result_id=ours, **common()))
    return codings, corrections


async def test_the_counts_are_those_of_the_rules(engine):
    codings, corrections = anything(random.Random(20261122), 150)
    await store(engine, codings, corrections)
    reader = PostgresAgreementReader(engine)

    def window(start: float, end: float) -> Window:
        return Window(NOON + timedelta(minutes=start), NOON + timedelta(minutes=end))

    for asked in (ALWAYS, window(0, 3), window(3, 6), window(2, 3), window(100, 200)):
        for version in (None, "1", "nobody's"):
            question = AgreementQuestion(TENANT, FRAMEWORK, asked, version)
            found, expected = await reader.of(question), told(codings, corrections, question)
            ordered = tuple(sorted(found.codes, key=lambda code: code.code_id))
            assert (found.records, found.exact, ordered) == (expected.records, expected.exact, expected.codes)
            assert bool(found.records) == (asked.start < NOON + timedelta(minutes=6) and version in (None, "1"))


async def test_whatever_the_schemas_allow_is_stored_once_and_what_the_table_refuses_is_named(engine):
    longest = [chr(number) * 255 for number in (0x1F600, 0x1F601, 0x1F602)]
    of = dict(zip(("tenant_id", "framework_id", "framework_version"), longest, strict=True))
    codes = ['"quoted", \\ {odd}', "\n", "NULL", "", *(f"{number}-{'é' * 1000}" for number in range(40))]
    extremes = [
        a_coding("\U0001f603" * 255, *filter(None, codes), **of),
        a_coding("r", completed_at=datetime.fromisoformat("2000-01-01T00:00:00+14:00")),
    ]
    sink = PostgresCodingSink(engine)
    assert await sink.write(extremes) == BatchOutcome(2)
    odd = a_coding("r", "a", model="a\x00b")
    assert await sink.write([extremes[0], odd, a_coding("r")]) == BatchOutcome(1, (1,))

    corrections = PostgresCorrectionSink(engine)
    given = [a_correction("\U0001f603" * 255, *filter(None, codes), **of), a_correction("r")]
    assert await corrections.write([*given, *given]) == BatchOutcome(2)
    question = AgreementQuestion(longest[0], longest[1], ALWAYS, longest[2])
    counts = await PostgresAgreementReader(engine).of(question)
    assert (counts.records, counts.exact) == (1, 1)
    assert {code.code_id for code in counts.codes} == set(codes) - {""}
