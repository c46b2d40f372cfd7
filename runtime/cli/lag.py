"""`feedback lag`."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from runtime.cli.options import begin, say

if TYPE_CHECKING:
    from rich.table import Table

    from domain.lag import GroupLag, PartitionLag  # imported late, so that --help is quick

_NEVER_CUT = 1000
"""Columns: no number is cut, on however narrow a terminal."""


@click.command(short_help="Show what the workers and consumers have not read yet.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per group and line, for scripts.")
def command(as_json: bool) -> None:
    """Show, for the groups of workers and consumers, what is on their topics and not finished yet.

    They are WORKER_GROUP, CONSUMER_GROUP and, for codings and corrections, CONSUMER_GROUP with "-codings" behind it.

    An offset is committed when all that comes before it has its outcome: what is in flight counts as unread. A group
    without an offset counts from the partition's beginning, where it will begin. Where retention deleted messages that
    the group had not come to, a line says how many were lost.
    """
    settings = begin(at_terminal=True)
    from adapters.kafka.lag import lags
    from runtime.wiring import kafka_connection
    from schemas.topics import CODE_ASSIGNMENTS, CORRECTIONS, LLM_CALLS, RECORDS, REQUESTS

    groups = {
        settings.worker_group: [RECORDS.name, REQUESTS.name],
        settings.consumer_group: [LLM_CALLS.name],
        settings.codings_group: [CODE_ASSIGNMENTS.name, CORRECTIONS.name],
    }
    found = asyncio.run(lags(kafka_connection(settings), groups))
    now = datetime.now(UTC)
    if as_json:
        for group in found:
            say(json.dumps(_as_json(group, now)))
        return
    from rich.console import Console

    Console(width=_NEVER_CUT, highlight=False).print(_table(found, now))
    for line in _complaints(found):
        say(line)


def _table(found: "list[GroupLag]", now: datetime) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("group", "topic", "partition"):
        table.add_column(column, no_wrap=True)
    for column in ("committed", "end", "lag", "oldest unread", "members"):
        table.add_column(column, no_wrap=True, justify="right")
    for group in found:
        name = escape(group.group)
        for one in group.partitions:
            committed = "-" if one.committed is None else str(one.committed)
            cells = (name, one.topic, str(one.partition), committed, str(one.end), str(one.lag), _age(one, now), "")
            table.add_row(*cells)
        total = (name, "total", "", "", "", str(group.lag), _age(group, now), str(group.members))
        table.add_row(*total, style="bold", end_section=True)
    return table


def _complaints(found: "list[GroupLag]") -> Iterator[str]:
    for group in found:
        for one in group.partitions:
            where = f"{group.group}, {one.topic} partition {one.partition}"
            if one.deleted_unread:
                lost = f"{one.deleted_unread:,} messages were deleted unread"
                yield f"LOST: {where}: {lost} (committed {one.committed}, the first one there is {one.first})."
            if one.beyond_the_end:
                yield f"{where}: committed {one.committed}, beyond the end; the group begins at {one.first} again."
        if group.lag and not group.members:
            yield f"{group.group}: nobody is in this group, so nothing is read."


def _as_json(group: "GroupLag", now: datetime) -> dict[str, Any]:
    return {
        "group": group.group,
        "members": group.members,
        "lag": group.lag,
        "deleted_unread": group.deleted_unread,
        "oldest_unread_seconds": _seconds(group, now),
        "partitions": [
            {
                "topic": one.topic,
                "partition": one.partition,
                "committed": one.committed,
                "first": one.first,
                "end": one.end,
                "lag": one.lag,
                "deleted_unread": one.deleted_unread,
                "oldest_unread_seconds": _seconds(one, now),
            }
            for one in group.partitions
        ],
    }


def _seconds(one: "PartitionLag | GroupLag", now: datetime) -> float | None:
    return None if one.oldest_at is None else round(max(0.0, (now - one.oldest_at).total_seconds()), 1)


def _age(one: "PartitionLag | GroupLag", now: datetime) -> str:
    """`3d 4h`, `2h 5m`, `1m 3s`, `7s`."""
    seconds = _seconds(one, now)
    if seconds is None:
        return "?" if one.lag else "-"
    left = int(seconds)
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount or (name == "s" and not parts):
            parts.append(f"{amount}{name}")
    return " ".join(parts[:2])
