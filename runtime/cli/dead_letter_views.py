"""Dead letters for a person, and as JSON for a script. The original content is shown on demand only."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from domain.dead_letters.originals import bytes_of, where
from domain.dead_letters.register import Known
from domain.delivery.dead_letters import lacks_original
from schemas.dead_letters import DeadLetter


def table_of(letters: Sequence[Known]) -> Table:
    """One row for each, in the order given."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("dead_letter_id", "failed_at", "tenant", "record/request", "operation", "reason", "source"):
        table.add_column(column, no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    for known in letters:
        cells = (
            str(known.dead_letter_id),
            utc(known.failed_at),
            known.tenant_id or "-",
            known.record_id or known.request_id or "-",
            known.operation or "-",
            known.reason,
            where(known.source),
        )
        table.add_row(*(escape(one_line(cell)) for cell in cells), str(known.times))
    return table


def as_json(known: Known) -> str:
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
        "times": known.times,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def summary_of(letters: Sequence[Known], shown: int) -> str:
    """How many there are, of which reasons."""
    if not letters:
        return "No dead letters."
    reasons = Counter(known.reason for known in letters)
    counts = ", ".join(f"{count:,} x {one_line(reason)}" for reason, count in sorted(reasons.items()))
    part = f" (the newest {shown:,} are shown)" if shown < len(letters) else ""
    return f"{len(letters):,} dead letter{'s' * (len(letters) > 1)}{part}: {counts}"


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
