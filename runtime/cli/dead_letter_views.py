"""Dead letters for a person, and as JSON for a script. The original content is shown on demand only."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.dead_letters.originals import bytes_of, where
from domain.dead_letters.register import Known
from domain.dead_letters.replay import Plan
from domain.delivery.dead_letters import lacks_original
from runtime.cli.options import printable
from schemas.dead_letters import DeadLetter

_NAMED = 100

_COLUMNS: dict[str, Callable[[Known], str]] = {
    "dead_letter_id": lambda known: str(known.dead_letter_id),
    "failed_at": lambda known: utc(known.failed_at),
    "tenant": lambda known: known.tenant_id or "-",
    "record/request": lambda known: known.record_id or known.request_id or "-",
    "operation": lambda known: known.operation or "-",
    "reason": lambda known: known.reason,
    "source": lambda known: where(known.source),
}

_STACKED = (
    (("dead_letter_id", "source", "failed_at"), 37),
    (("reason", "operation", "replayed, times"), 22),
    (("tenant", "record/request", ""), None),
)
"""What stands above each other in a column where the terminal is narrow, and how wide the column is: the last one takes
what is left. An id always has one line; so has a source, of all but the longest."""

Replayed = Callable[[Known], bool]
"""Whether the latest failure of a dead letter was replayed."""


def print_table(console: Console, letters: Sequence[Known], replayed: Replayed, width: int | None) -> None:
    """The table, in the order given; where it is wider than the terminal, each row has lines instead: nothing is lost.

    Args:
        console: a wide one, which breaks no row and so no id.
        letters: one row for each.
        replayed: whether one was.
        width: of the terminal, in columns; None where it is none.
    """
    table = _wide(letters, replayed)
    if width is not None and console.measure(table).maximum > width:
        console.print(_stacked(letters, replayed), width=width)
    else:
        console.print(table)


def _wide(letters: Sequence[Known], replayed: Replayed) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in (*_COLUMNS, "replayed"):
        table.add_column(name, no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    for known in letters:
        done = "yes" if replayed(known) else "no"
        table.add_row(*(escape(cell) for cell in _cells(known).values()), done, str(known.times))
    return table


def _stacked(letters: Sequence[Known], replayed: Replayed) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False, leading=1)
    for names, width in _STACKED:
        table.add_column("\n".join(names), width=width, overflow="fold")
    for known in letters:
        done = "replayed" if replayed(known) else "not replayed"
        cells = {**_cells(known), "replayed, times": f"{done}, {known.times}", "": ""}
        table.add_row(*(escape("\n".join(cells[name] for name in names)) for names, _ in _STACKED))
    return table


def _cells(known: Known) -> dict[str, str]:
    return {name: printable(cell(known)) for name, cell in _COLUMNS.items()}


def as_json(known: Known, *, replayed: bool) -> str:
    """One line; fields without a value are left out, as in the event."""
    topic, partition, offset = known.source
    fields: dict[str, Any] = {
        "dead_letter_id": str(known.dead_letter_id),
        "failed_at": utc(known.failed_at),
        "tenant_id": known.tenant_id,
        "record_id": known.record_id,
        "request_id": known.request_id,
        "operation": known.operation,
        "result_id": str(known.result_id) if known.result_id else None,
        "reason": known.reason,
        "source": {"topic": topic, "partition": partition, "offset": offset},
        "has_original": known.has_original,
        "replayed": replayed,
        "times": known.times,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def summary_of(letters: Sequence[Known], shown: int, replayed: Replayed) -> str:
    """How many of one or more there are, of which reasons, and how many were replayed."""
    reasons = Counter(known.reason for known in letters)
    counts = ", ".join(f"{count:,} x {printable(reason)}" for reason, count in sorted(reasons.items()))
    part = f" (the newest {shown:,} are shown)" if shown < len(letters) else ""
    return f"{_number(letters, replayed)}{part}: {counts}"


def _number(letters: Sequence[Known], replayed: Replayed) -> str:
    done = sum(map(replayed, letters))
    if len(letters) == 1:
        return f"1 dead letter, {'replayed' if done else 'not replayed'}"
    return f"{len(letters):,} dead letters, {done:,} of them replayed"


def nothing_found(in_all: int, *, filtered: bool) -> str:
    """That there is none, or none that was asked for, which may be a matter of what was asked."""
    return f"No dead letters match ({in_all:,} in all)." if filtered else "No dead letters."


def plan_lines(plan: Plan) -> Iterator[str]:
    """What would be replayed, with the ids of the first hundred; and how many are left out, and why."""
    counts = f" ({plan.by_topic})" if plan.replay else ""
    yield f"{len(plan.replay):,} would be replayed{counts}."
    yield from ids_of(plan.replay)
    left_out = [f"{plan.already:,} replayed already"] if plan.already else []
    left_out += [f"{len(refused):,} cannot be replayed {reason}" for reason, refused in plan.impossible.items()]
    if left_out:
        yield f"{plan.already + plan.refused:,} would be left out: {'; '.join(left_out)}."


def ids_of(letters: Sequence[Known]) -> Iterator[str]:
    """Lines with the ids of the first hundred, and how many more there are."""
    for known in letters[:_NAMED]:
        yield str(known.dead_letter_id)
    if len(letters) > _NAMED:
        yield f"and {len(letters) - _NAMED:,} more"


def lines_of(letter: DeadLetter, times: int, *, content: bool) -> Iterator[str]:
    """All that is known about one."""
    source = letter.source
    sent = f", sent {utc(source.timestamp)}" if source.timestamp else ""
    fields = {
        "dead_letter_id": str(letter.dead_letter_id),
        "failed_at": utc(letter.failed_at),
        "times": f"{times} (the latest is shown)" if times > 1 else "1",
        "tenant_id": letter.tenant_id,
        "record_id": letter.record_id,
        "request_id": letter.request_id,
        "operation": letter.operation or "none: the whole input has no result",
        "result_id": str(letter.result_id) if letter.result_id else None,
        "reason": letter.reason,
        "error_class": letter.error_class,
        "message": letter.message,
        "LLM calls": str(letter.attempts),
        "source": f"{source.topic} partition {source.partition} offset {source.offset}{sent}",
        "key": _told(letter.key_base64),
    }
    for name, value in fields.items():
        yield f"{name + ':':<16}{printable(value or '-')}"
    for header in letter.headers:
        yield f"{'header:':<16}{printable(header.key)}: {printable(_told(header.value_base64))}"
    yield from _content_lines(letter, content=content)


def _content_lines(letter: DeadLetter, *, content: bool) -> Iterator[str]:
    if lacks_original(letter):
        yield f"{'content:':<16}too large to be carried; read it at its source"
    elif letter.value_base64 is None:
        yield f"{'content:':<16}none (null)"
    elif content:
        yield f"{'content:':<16}"
        yield _told(letter.value_base64)
    else:
        yield f"{'content:':<16}about {len(letter.value_base64) * 3 // 4:,} bytes, confidential; shown with --content"


def _told(text: str | None) -> str:
    """Bytes in base64, for a terminal: as text where they are UTF-8, else in hex."""
    try:
        raw = bytes_of(text)
    except ValueError:
        return "no base64"
    if raw is None:
        return "-"
    try:
        return _harmless(raw.decode())
    except UnicodeDecodeError:
        return f"0x{raw.hex()}"


def _harmless(text: str) -> str:
    """Text without what would command the terminal: such characters are told as Python writes them."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else repr(character)[1:-1] for character in text
    )


def utc(moment: datetime) -> str:
    """To the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
