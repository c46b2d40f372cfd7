"""An answer as a table: a row for each group, a column for each number, for spreadsheets and data frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from api.usage_asked import Asked
from domain.usage.answers import Group, Measures, Spread
from domain.usage.comparison import Compared

Kind = Literal["text", "moment", "whole", "number", "money", "yes_or_no"]
Cell = str | datetime | int | float | Decimal | None

_PARTS = ("avg", "min", "max", "total")
_OF_TOKENS = frozenset({"input_tokens", "output_tokens"})
_KINDS: tuple[tuple[type, Kind], ...] = ((bool, "yes_or_no"), (int, "whole"), (Decimal, "money"))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, and what its cells hold. `money` is a Decimal, `moment` a datetime with an offset."""

    name: str
    kind: Kind


def columns(asked: Asked) -> list[Column]:
    """The columns of an answer: keys, time, the views, the views of the period before, and the answer's moment."""
    times = [Column(name, "moment") for name in ("start", "end")] if asked.question.unit is not None else []
    numbers = [
        Column(f"{view}_{name}", kind) for view in asked.views for name, kind in _numbers(asked.question.percentiles)
    ]
    earlier = [Column(f"previous_{one.name}", one.kind) for one in (*times, *numbers)] if asked.before else []
    keys = [Column(dimension, "text") for dimension in asked.question.group_by]
    return [*keys, *times, *numbers, *earlier, Column("as_of", "moment")]


def rows(asked: Asked, groups: Sequence[Compared], as_of: datetime) -> Iterator[list[Cell]]:
    """The cells of each group, in the order of `columns`."""
    percentiles = [f"{percentile:g}" for percentile in asked.question.percentiles]
    has_time = asked.question.unit is not None
    numbers = len(list(_numbers(asked.question.percentiles))) * len(asked.views)
    nothing: list[Cell] = [None for _ in range(numbers + 2 * has_time)]

    def told(group: Group | None) -> list[Cell]:
        if group is None:
            return nothing
        times: list[Cell] = [group.start, group.end] if has_time else []
        return times + [cell for view in asked.views for cell in _cells(getattr(group, view), percentiles)]

    for one in groups:
        cells: list[Cell] = [*one.group.keys.values(), *told(one.group)]
        if asked.before is not None:
            cells += told(one.previous)
        yield [*cells, as_of]


_FIELDS = (*Measures.model_fields, *Measures.model_computed_fields)


def _numbers(percentiles: Sequence[float]) -> Iterator[tuple[str, Kind]]:
    example = Measures()
    for name in _FIELDS:
        value = getattr(example, name)
        if not isinstance(value, Spread):
            yield name, next((kind for of, kind in _KINDS if isinstance(value, of)), "text")
            continue
        whole: Kind = "whole" if name in _OF_TOKENS else "number"
        yield from ((f"{name}_{part}", "number" if part == "avg" else whole) for part in _PARTS)
        yield from ((f"{name}_p{percentile:g}", "number") for percentile in percentiles)


def _cells(measures: Measures, percentiles: Sequence[str]) -> Iterator[Cell]:
    for name in _FIELDS:
        value: Any = getattr(measures, name)
        if isinstance(value, Spread):
            yield from (value.avg, value.min, value.max, value.total)
            told = value.percentiles
            yield from (told.get(percentile) for percentile in percentiles)
        elif value is None or isinstance(value, (int, str, float, Decimal)):
            yield value
        else:
            yield ", ".join(map(str, value))
