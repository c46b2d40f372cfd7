"""An answer beside the answer of the period before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.errors import TooManyGroupsError
from domain.usage.answers import Group, Measures, Spread, UsageAnswer
from domain.usage.calendar import by_clock, stretches
from domain.usage.questions import MAX_GROUPS, MAX_STRETCHES, UsageQuestion
from domain.usage.report import Window

Values = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """A group, and the same group in the period before; None: that period has no such stretch of time."""

    group: Group
    previous: Group | None


def beside(asked: UsageQuestion, answer: UsageAnswer, before: UsageQuestion, earlier: UsageAnswer) -> list[Compared]:
    """Every group of either answer, in the order of time and keys; what was in one of them only is zeros in the other.

    The first stretch of one period is held against the first of the other, and so on. A month may have more days than
    the one before: its last ones have nothing beside them. Of one that has fewer, the other's last days are in nothing
    but the total.

    Args:
        asked: the question, and
        answer: its answer.
        before: the same question of the period before, and
        earlier: its answer.

    Raises:
        TooManyGroupsError: together they have more than MAX_GROUPS groups.
    """
    of_now, of_then = _stretches(asked), _stretches(before)
    now, then = _by_place(answer.groups, of_now), _by_place(earlier.groups, of_then)
    every = sorted({values for _, values in (*now, *then)}, key=in_order)
    if len(every) * len(of_now) > MAX_GROUPS:
        raise TooManyGroupsError(f"The answer has more than {MAX_GROUPS:,} groups; ask for less.")
    nothing = _nothing(asked.percentiles)
    found = []
    for number, stretch in enumerate(of_now):
        for values in every:
            group = now.get((number, values)) or _empty(asked, values, stretch, nothing)
            previous = None
            if number < len(of_then):
                previous = then.get((number, values)) or _empty(before, values, of_then[number], nothing)
            found.append(Compared(group, previous))
    return found


def in_order(values: Values) -> list[tuple[bool, str]]:
    """To sort groups' values by: those that have none come last."""
    return [(value is None, value or "") for value in values]


def _stretches(question: UsageQuestion) -> Sequence[Window | None]:
    if question.unit is None:
        return [None]
    return stretches(question.window, question.unit, question.zone, MAX_STRETCHES) or []


def _by_place(groups: Sequence[Group], times: Sequence[Window | None]) -> dict[tuple[int, Values], Group]:
    numbers: dict[datetime | None, int] = {time.start if time else None: number for number, time in enumerate(times)}
    # In UTC, where an hour that comes twice is two.
    starts = [group.start and group.start.astimezone(UTC) for group in groups]
    return {(numbers[start], tuple(group.keys.values())): group for start, group in zip(starts, groups, strict=True)}


def _empty(question: UsageQuestion, values: Values, time: Window | None, nothing: Measures) -> Group:
    return Group(
        keys=dict(zip(question.group_by, values, strict=True)),
        start=by_clock(time.start, question.zone) if time else None,
        end=by_clock(time.end, question.zone) if time else None,
        llm_calls=nothing,
        invocations=nothing,
    )


def _nothing(percentiles: Sequence[float]) -> Measures:
    spread = Spread(percentiles={f"{percentile:g}": None for percentile in percentiles})
    return Measures(duration_ms=spread, input_tokens=spread, output_tokens=spread)
