"""Dead letters for a person, and as JSON for a script. The original content is shown on demand only."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.dead_letters.originals import bytes_of, where
from domain.dead_letters.register import Known
from domain.delivery.dead_letters import lacks_original
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

_SHORT: dict[str, Callable[[Known], str]] = {
    "failed_at": lambda known: f"{known.failed_at.astimezone(UTC):%m-%d %H:%M}",
    "tenant": lambda known: _cut(known.tenant_id or "-", 12),
    "reason": lambda known: _cut(known.reason, 21),
}
"""The same, where the terminal is narrow: month, day and minute; the beginning of a long name."""

_LEFT_OUT = ("source", "record/request", "operation", "times", "failed_at", "tenant")
"""Columns by what they are worth, the least first. The tenant, too, always fits 80 columns."""

_FORMS = ((0, False), (1, False), (2, False), *((count, True) for count in range(2, len(_LEFT_OUT) + 1)))
"""The table ever narrower: how many columns are left out, and whether cells are short."""

Replayed = Callable[[Known], bool]
"""Whether the latest failure of a dead letter was replayed."""


def print_table(console: Console, letters: Sequence[Known], replayed: Replayed, width: int | None) -> None:
    """The table; where it is wider than the terminal, with fewer and shorter columns: `show` and JSON have all.

    Args:
        console: a wide one, which breaks no row and so no id.
        letters: one row for each, in the order given.
        replayed: whether one was.
        width: of the terminal, in columns; None where it is none.
    """
    for count, short in _FORMS:
        table = table_of(letters, replayed, _LEFT_OUT[:count], short=short)
        if width is None or console.measure(table).maximum <= width:
            break
    console.print(table)


def table_of(
    letters: Sequence[Known], replayed: Replayed, without: Sequence[str] = (), *, short: bool = False
) -> Table:
    """One row for each, in the order given, without some columns, and with short cells where that is asked for."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0 if short else 1, 0, 0), show_edge=not short)
    of_all: dict[str, Callable[[Known], str]] = {
        **_COLUMNS,
        **(_SHORT if short else {}),
        "replayed": lambda known: "yes" if replayed(known) else "no",
        "times": lambda known: str(known.times),
    }
    columns = {name: cell for name, cell in of_all.items() if name not in without}
    for name in columns:
        table.add_column(name, justify="right" if name == "times" else "left", no_wrap=True)
    for known in letters:
        table.add_row(*(escape(one_line(cell(known))) for cell in columns.values()))
    return table


def _cut(text: str, columns: int) -> str:
    """What fits so many columns; some characters take two."""
    return text if cell_len(text) <= columns else f"{set_cell_size(text, columns - 1).rstrip()}…"


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
    counts = ", ".join(f"{count:,} x {one_line(reason)}" for reason, count in sorted(reasons.items()))
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
        yield f"{name + ':':<16}{one_line(value or '-')}"
    for header in letter.headers:
        yield f"{'header:':<16}{one_line(header.key)}: {one_line(_told(header.value_base64))}"
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


def one_line(text: str) -> str:
    """A value that cannot break its line, nor command the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def utc(moment: datetime) -> str:
    """To the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
