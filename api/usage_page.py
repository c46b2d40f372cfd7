"""The answer to `/v1/usage/query` as JSON: its shape, and its text piece by piece."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.usage_asked import Asked
from api.usage_cursors import Cursor, group_is_gone, place_of, written
from domain.usage.answers import Group, Measures, UsageAnswer
from domain.usage.comparison import Compared
from domain.usage.freshness import Freshness
from domain.usage.report import Window

_PIECE = 200
"""Groups that are written at a time: the server has other clients, too."""


class _Views(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    start: AwareDatetime | None = Field(default=None, description="Where the stretch of time begins; null: no unit.")
    end: AwareDatetime | None = Field(
        default=None, description="Where it ends; what lies outside the window is not in."
    )
    llm_calls: Measures | None = Field(default=None, description="One item per attempt; left out where not asked for.")
    invocations: Measures | None = Field(
        default=None, description="One item per operation on one input; left out where not asked for."
    )


class EarlierViews(_Views):
    """The same group in the period before."""


class UsageGroup(_Views):
    """What has the same values of the dimensions, in one stretch of time where a unit was asked for."""

    keys: dict[str, str | None] = Field(description="By dimension; null: what has no such value.")
    previous: EarlierViews | None = Field(
        default=None,
        description="With `compare=previous`; null: the period before has no such stretch, a 31st day say.",
    )


class Period(BaseModel):
    """A half-open window."""

    model_config = ConfigDict(populate_by_name=True)

    start: AwareDatetime = Field(alias="from", description="The first moment that counts.")
    end: AwareDatetime = Field(alias="to", description="The first moment that no longer counts.")


class UsagePage(Period):
    """A page of an answer. Every page has the total of all groups."""

    window_is_default: bool = Field(description="No window was named: it is the last 30 days.")
    zone: str = Field(description="Whose clocks and calendar.")
    group_by: list[str] = Field(description="The dimensions and the unit.")
    compared_with: Period | None = Field(default=None, description="The period before, where it was asked for.")
    not_compared: str | None = Field(
        default=None, description="Why there is no comparison though it was asked for: months whose calls were dropped."
    )
    ingested_before: AwareDatetime | None = Field(
        default=None, description="What was stored then or later does not count; on later pages, the first one's as_of."
    )
    as_of: AwareDatetime = Field(description="The moment that the answer is of: what was stored until then is in it.")
    freshness: Freshness = Field(description="What it says of its freshness besides.")
    next_cursor: str | None = Field(default=None, description="For the next page; null: this is the last one.")
    total: UsageGroup = Field(description="All groups together, those of other pages as well.")
    groups: list[UsageGroup] = Field(description="In the order of time, then of their keys; none comes last.")


def page(asked: Asked, answer: UsageAnswer, groups: Sequence[Compared], total: Compared) -> Iterator[str]:
    """The text of one page.

    Args:
        asked: the question.
        answer: what was found, for what it says beside groups and total.
        groups: all groups.
        total: the total.

    Raises:
        APIError: 422 `invalid_cursor`: the group that it names is gone. Raised at once, not with the first piece.
    """
    first = _first(asked, groups)
    shown = groups[first : first + asked.limit]
    is_last = first + asked.limit >= len(groups)
    question, before = asked.question, asked.before if asked.not_compared is None else None
    unit = [question.unit] if question.unit is not None else []
    head = {
        **_period(_in(question.window, question.zone)),
        "window_is_default": asked.window_is_default,
        "zone": question.zone.key,
        "group_by": [*question.group_by, *unit],
        "compared_with": _period(_in(before.window, question.zone)) if before is not None else None,
        "not_compared": asked.not_compared,
        "ingested_before": question.ingested_before.isoformat() if question.ingested_before is not None else None,
        **answer.model_dump(mode="json", exclude={"groups", "total"}),
        "next_cursor": None if is_last else _next(asked, answer, first + asked.limit, shown[-1].group),
        "total": as_json(total, asked),
    }
    return _pieces(json.dumps(head, ensure_ascii=False), shown, asked)


def _first(asked: Asked, groups: Sequence[Compared]) -> int:
    """The number of the page's first group. A group that came between, or went, moves the others."""
    cursor = asked.cursor
    if cursor is None:
        return 0
    for number in chain(range(cursor.number, cursor.number + 1), range(1, len(groups) + 1)):
        if 0 < number <= len(groups) and place_of(groups[number - 1].group) == cursor.place:
            return number
    raise group_is_gone()


def _next(asked: Asked, answer: UsageAnswer, number: int, last: Group) -> str:
    return written(Cursor(asked.question.window, answer.as_of, number, place_of(last)), asked.identity)


def _in(window: Window, zone: ZoneInfo) -> Window:
    return Window(window.start.astimezone(zone), window.end.astimezone(zone))


def _period(window: Window) -> dict[str, str]:
    return {"from": window.start.isoformat(), "to": window.end.isoformat()}


def _pieces(head: str, groups: Sequence[Compared], asked: Asked) -> Iterator[str]:
    yield f'{head[:-1]}, "groups": ['
    for first in range(0, len(groups), _PIECE):
        piece = [json.dumps(as_json(one, asked), ensure_ascii=False) for one in groups[first : first + _PIECE]]
        yield (", " if first else "") + ", ".join(piece)
    yield "]}"


def as_json(one: Compared, asked: Asked) -> dict[str, Any]:
    """A group in JSON's types, with the views that were asked for."""
    views = {"start", "end", *asked.views}
    told = one.group.model_dump(mode="json", include={"keys", *views})
    if asked.before is not None:
        told["previous"] = one.previous.model_dump(mode="json", include=views) if one.previous is not None else None
    return told
