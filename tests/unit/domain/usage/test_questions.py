"""A question without particulars asks for everything of a window, at once."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from domain.usage.answers import Group, Spread, UsageAnswer
from domain.usage.calendar import UNITS
from domain.usage.questions import DIMENSIONS, PERCENTILES, UsageQuestion
from domain.usage.report import Window

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def test_a_plain_question_is_of_everything_in_utc():
    question = UsageQuestion(Window(START, END))

    assert (question.group_by, question.filters, question.unit, question.ingested_before) == ((), {}, None, None)
    assert (question.zone, question.percentiles) == (ZoneInfo("UTC"), PERCENTILES)
    assert PERCENTILES == (5.0, 50.0, 95.0)


def test_what_may_be_asked_by_is_what_is_documented():
    assert DIMENSIONS == ("tenant", "operation", "model", "provider", "status", "error_class", "prompt_version")
    assert UNITS == ("hour", "day", "week", "month")


def test_an_empty_answer_is_zeros_and_nulls_and_money_in_words():
    answer = UsageAnswer(groups=(), total=Group(), as_of=END).model_dump(mode="json")

    measures = answer["total"]["llm_calls"]
    assert measures == answer["total"]["invocations"]
    assert (measures["total"], measures["attempts"], measures["cost_usd"]) == (0, 0, "0")
    assert measures["duration_ms"] == Spread().model_dump()
    assert measures["duration_ms"]["avg"] is None
    assert (answer["total"]["keys"], answer["total"]["start"]) == ({}, None)
