"""`/v1/usage/query` as CSV and Parquet: the numbers of JSON, in rows and columns."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from arro3.io import read_parquet

from domain.usage.answers import Group, Measures, Spread, UsageAnswer
from tests.unit.api.support import AS_OF, WINDOW, Rig, answer_of

PATH = "/v1/usage/query"


@pytest.fixture
async def rig():
    rig = Rig()
    rig.superuser = (await rig.keys.create("headquarters", superuser=True)).text
    async with rig.client:
        yield rig


async def test_a_table_holds_all_groups_and_the_same_numbers_in_csv_and_parquet(rig):
    names = ["=1+1", "+x", "-x", "@x", "\tx", 'a "b", c', "é", None]
    asked = WINDOW | {"group_by": "operation", "percentiles": "50", "compare": "previous"}
    answers = {}
    for form in ("json", "csv", "parquet"):
        rig.usage.given = [answer_of(*names), answer_of("é", "-x")]
        answers[form] = await rig.get(PATH, rig.superuser, params=asked | {"format": form})

    groups = answers["json"].json()["groups"]
    assert answers["csv"].headers["content-type"] == "text/csv; charset=utf-8"
    assert answers["csv"].headers["Feedback-As-Of"] == AS_OF.isoformat()
    assert answers["parquet"].headers["content-disposition"] == 'attachment; filename="usage.parquet"'
    lines = list(csv.DictReader(io.StringIO(answers["csv"].text)))
    table = read_parquet(io.BytesIO(answers["parquet"].content)).read_all()
    columns = {name: table.column(name).to_pylist() for name in table.schema.names}
    assert list(columns) == list(lines[0])
    assert len(lines) == len(groups) == len(columns["operation"]) == len(names)
    # Providers choose names, and a spreadsheet must not run them.
    formulas = {line["operation"] for line in lines if line["operation"].startswith("'")}
    assert formulas == {f"'{name}" for name in names[:5]}
    for number, (group, line) in enumerate(zip(groups, lines, strict=True)):
        assert line["operation"].removeprefix("'") == (group["keys"]["operation"] or "")
        assert columns["operation"][number] == group["keys"]["operation"]
        assert Decimal(line["llm_calls_cost_usd"]) == Decimal(group["llm_calls"]["cost_usd"])
        assert columns["llm_calls_cost_usd"][number] == Decimal(group["llm_calls"]["cost_usd"])
        told_before = group["previous"]["llm_calls"]["duration_ms"]["percentiles"].get("50")
        assert columns["previous_llm_calls_duration_ms_p50"][number] == told_before
        assert line["previous_llm_calls_duration_ms_p50"] == ("" if told_before is None else str(told_before))
        assert (line["as_of"], columns["as_of"][number]) == (AS_OF.isoformat(), AS_OF)


async def test_tables_of_nothing_have_their_columns(rig):
    for form in ("csv", "parquet"):
        rig.usage.given = [answer_of()]
        answer = await rig.get(PATH, rig.superuser, params=WINDOW | {"group_by": "operation,day", "format": form})
        if form == "csv":
            assert answer.text.startswith("operation,start,end,llm_calls_total,")
            assert answer.text.count("\r\n") == 1
        else:
            table = read_parquet(io.BytesIO(answer.content)).read_all()
            assert (table.num_rows, table.schema.names[:3]) == (0, ["operation", "start", "end"])


async def test_sums_beyond_64_bits_are_exact_in_parquet_too(rig):
    huge = Spread(total=3 * (2**63 - 1), min=0, max=2**63 - 1)
    group = Group(
        keys={"operation": "x"}, llm_calls=Measures(input_tokens=huge, cost_usd=Decimal("2999999.999999999997"))
    )
    rig.usage.given = [UsageAnswer(groups=(group,), total=group, as_of=AS_OF)]
    asked = WINDOW | {"group_by": "operation", "format": "parquet"}
    table = read_parquet(io.BytesIO((await rig.get(PATH, rig.superuser, params=asked)).content)).read_all()
    assert table.column("llm_calls_input_tokens_total").to_pylist() == [3 * (2**63 - 1)]
    assert table.column("llm_calls_cost_usd").to_pylist() == [Decimal("2999999.999999999997")]


async def test_what_the_period_before_has_no_stretch_for_is_empty_cells(rig):
    march = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z", "group_by": "operation,day"}
    first = Group(
        keys={"operation": "x"}, start=datetime(2026, 3, 31, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC)
    )
    answer = UsageAnswer(groups=(first,), total=first, as_of=AS_OF)
    rig.usage.given = [answer, answer_of()]
    told = await rig.get(PATH, rig.superuser, params=march | {"compare": "previous", "format": "csv"})
    lines = list(csv.DictReader(io.StringIO(told.text)))
    assert len(lines) == 31
    assert lines[27]["previous_start"] == "2026-02-28T00:00:00+00:00"
    assert lines[28]["previous_start"] == lines[30]["previous_llm_calls_total"] == ""
    assert lines[30]["as_of"] == AS_OF.isoformat()
