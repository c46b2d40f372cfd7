"""The answer to a question about usage as a terminal shows it: what it has room for, and names in what is left."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from runtime.cli.options import printable

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 62
_UNITS = ("hour", "day", "week", "month")
_COUNTED = {"llm_calls": "calls", "invocations": "invoc."}
_HEADS = {
    "total": "",
    "±total": "±",
    "failed": "failed",
    "cost": "cost",
    "±cost": "±",
    "unpriced": "unpriced",
    "p50": "p50",
    "p95": "p95",
    "in": "tokens in",
    "out": "out",
}
_SPARE = ("out", "in", "unpriced", "p50", "±total")
"""What goes first where there is no room: how many are unpriced is said below the table, too."""
_OF_NAMES = 16


def shown(answer: dict[str, Any], over_time: dict[str, Any], view: str, room: int) -> Iterator[Table | Text]:
    """What is printed, from top to bottom.

    Args:
        answer: of `/v1/usage/query`, with the percentiles 50 and 95.
        over_time: the same question by a unit of time alone, without groups of its own.
        view: which view of both.
        room: columns that it may take.
    """
    yield Text(_title(answer, view))
    names = _fitting(answer, view, room)
    yield _table(answer, view, names)
    if left := [_HEADS[name] for name in _SPARE if name not in names and name != "±total"]:
        yield Text(f"For a wider terminal: {', '.join(left)}.")
    if answer["next_cursor"] is not None:
        yield Text("There are more groups: --limit shows more, --format csv all.")
    yield Text(sparkline(over_time, view))
    if answer["total"][view]["unpriced"]:
        yield Text(_lower_bound(answer, view))
    if answer.get("not_compared"):
        yield Text(answer["not_compared"])
    yield Text(freshness(answer))


def _lower_bound(answer: dict[str, Any], view: str) -> str:
    """Why: a price that nobody knows is another thing than a call that failed."""
    total = answer["total"][view]
    said = [
        f"The cost is a lower bound: of {total['unpriced']:,} of {total['total']:,} it is not, or not wholly, known."
    ]
    if total["failed_unpriced"]:
        said.append(f"{total['failed_unpriced']:,} of them failed.")
    if names := [one["model"] for one in answer["unpriced_models"] if one["calls"] > one["failed"]]:
        said.append(f"No price is known for {printable(', '.join(names))}.")
    return " ".join(said)


def freshness(answer: dict[str, Any]) -> str:
    """The moment of an answer, and what it could not know."""
    zone = ZoneInfo(answer.get("zone", "UTC"))
    as_of = datetime.fromisoformat(answer["as_of"]).astimezone(zone)
    said = [f"As of {as_of.strftime('%Y-%m-%d %H:%M:%S ') + _zone_of(as_of)}."]
    fresh = answer.get("freshness", {})  # an API of the release before says nothing of it
    if fresh and fresh["lag"] is None:
        said.append("How much is not stored yet is not known.")
    elif fresh and fresh["lag"]:
        then = datetime.fromisoformat(fresh["lag_as_of"]).astimezone(zone)
        said.append(f"{fresh['lag']:,} messages were not stored yet at {then.strftime('%H:%M:%S')}.")
    if fresh and fresh["late"]:
        said.append(f"{fresh['late']:,} LLM calls were stored late.")
    return " ".join(said)


def _title(answer: dict[str, Any], view: str) -> str:
    counted = {"llm_calls": "LLM calls", "invocations": "Invocations"}[view]
    title = f"{counted} from {minute(answer['from'])} to {minute(answer['to'])}"
    before = answer["compared_with"]
    return title + (f" (±: since {minute(before['from'])})" if before else "")


def minute(moment: str) -> str:
    """A moment of an answer, to the minute, with its zone."""
    found = datetime.fromisoformat(moment)
    return found.strftime("%Y-%m-%d %H:%M ") + _zone_of(found)


def _zone_of(moment: datetime) -> str:
    return moment.strftime("%z") if moment.utcoffset() else "UTC"


def _fitting(answer: dict[str, Any], view: str, room: int) -> list[str]:
    """The columns that there is room for."""
    compares = answer["compared_with"] is not None
    names = [name for name in _HEADS if compares or not name.startswith("±")]
    rows = [_cells(group, view) for group in (*answer["groups"], answer["total"])]
    wide = {name: max(len(_head(name, view)), *(len(cells[name]) for cells in rows)) + 2 for name in names}
    for name in _SPARE:
        if name in names and sum(wide[one] for one in names) + _OF_NAMES > room:
            names.remove(name)
    return names


def _head(name: str, view: str) -> str:
    return _HEADS[name] or _COUNTED[view]


def _table(answer: dict[str, Any], view: str, names: Sequence[str]) -> Table:
    unit = next((name for name in answer["group_by"] if name in _UNITS), None)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(printable(" / ".join(answer["group_by"])), overflow="fold", min_width=10)
    for name in names:
        table.add_column(_head(name, view), justify="right", no_wrap=True)
    for group in answer["groups"]:
        cells = _cells(group, view)
        table.add_row(Text(_name(group, unit)), *(cells[name] for name in names))
    table.add_section()
    cells = _cells(answer["total"], view)
    table.add_row("total", *(cells[name] for name in names), style="bold")
    return table


def _name(group: dict[str, Any], unit: str | None) -> str:
    values = ["(none)" if value is None else printable(value) for value in group["keys"].values()]
    return " / ".join([*values, *([_stretch(group["start"], unit)] if unit else [])])


def _stretch(start: str, unit: str | None) -> str:
    form = {"hour": "%Y-%m-%d %H:%M", "month": "%Y-%m"}.get(unit or "", "%Y-%m-%d")
    return datetime.fromisoformat(start).strftime(form)


def _cells(group: dict[str, Any], view: str) -> dict[str, str]:
    """By the names of `_HEADS`."""
    now = group[view]
    before = (group.get("previous") or {}).get(view)
    return {
        "total": f"{now['total']:,}",
        "±total": _change(now["total"], before and before["total"]),
        "failed": f"{now['failed']:,}",
        "cost": money(now["cost_usd"]),
        "±cost": _change(now["cost_usd"], before and before["cost_usd"]),
        "unpriced": f"{now['unpriced']:,}",
        "p50": _duration(now["duration_ms"]["percentiles"]["50"]),
        "p95": _duration(now["duration_ms"]["percentiles"]["95"]),
        "in": _short(now["input_tokens"]["total"]),
        "out": _short(now["output_tokens"]["total"]),
    }


def _change(now: str | int, before: str | int | None) -> str:
    """In percent of the period before; of nothing there is no percentage."""
    if before is None or not Decimal(before):
        return "new" if before is not None and Decimal(now) else "-"
    percent = (Decimal(now) / Decimal(before) - 1) * 100
    if abs(percent) >= 1000:
        return f"x{Decimal(now) / Decimal(before):.0f}"
    return f"{percent:+.0f}%" if round(percent) else "0%"


def money(amount: str) -> str:
    """Dollars with cents; of small amounts, with the first two digits that count."""
    value = Decimal(amount)
    if not value or abs(value) >= 1:
        return f"${value:,.2f}"
    return f"${value:.{max(2, 1 - value.adjusted())}f}"


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    if milliseconds < 1000:
        return f"{milliseconds:.0f}ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f}s" if seconds < 100 else f"{seconds / 60:.1f}m"


def _short(count: float | None) -> str:
    if count is None:
        return "-"
    for size, name in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**4, "k")):
        if count >= size:
            return f"{count / min(size, 10**3 if name == 'k' else size):.1f}{name}"
    return f"{count:,}"


def sparkline(over_time: dict[str, Any], view: str) -> str:
    """The cost of each stretch of time as a row of bars, and the dearest one in words."""
    unit = over_time["group_by"][-1]
    costs = [(_stretch(group["start"], unit), Decimal(group[view]["cost_usd"])) for group in over_time["groups"]]
    if not any(cost for _, cost in costs):
        return f"Cost per {unit}: nothing."
    dearest, most = max(costs, key=lambda one: one[1])
    return f"Cost per {unit}: {bars([cost for _, cost in costs])}  most: {money(str(most))} ({dearest})"


def bars(amounts: Sequence[Decimal]) -> str:
    """A bar for each amount; of many, for each so many that follow each other. Only nothing is a space."""
    size = -(-len(amounts) // _MOST_BARS)
    sums = [sum(amounts[first : first + size], Decimal(0)) for first in range(0, len(amounts), size)]
    most = max(sums)
    return "".join(" " if not one else _BARS[min(int(one / most * len(_BARS)), len(_BARS) - 1)] for one in sums)
