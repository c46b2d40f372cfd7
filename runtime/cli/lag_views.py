"""How far groups are behind, for a person at a terminal, in full for a file or a pipe, and as JSON for a script."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from domain.lag import GroupLag, PartitionLag


def full_table(found: Sequence[GroupLag], now: datetime) -> Table:
    """Each partition a row, with its group in it; as wide as it takes."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("group", "topic", "partition"):
        table.add_column(column, no_wrap=True)
    for column in ("committed", "end", "lag", "oldest unread", "members"):
        table.add_column(column, no_wrap=True, justify="right")
    for group in found:
        name = escape(group.group)
        for one in group.partitions:
            table.add_row(name, one.topic, str(one.partition), *_figures(one, now), "")
        total = (name, "total", "", "", "", str(group.lag), _age(group, now), str(group.members))
        table.add_row(*total, style="bold", end_section=True)
    return table


def short_table(found: Sequence[GroupLag], now: datetime) -> Table:
    """For a terminal of 80 columns: a group above its topics; partitions of a topic that are all read share a row."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("group, topic", overflow="fold")
    table.add_column("partition", no_wrap=True)
    for column in ("committed", "end", "lag", "oldest"):
        table.add_column(column, no_wrap=True, justify="right")
    for group in found:
        members = f"{group.members} member{'s' * (group.members != 1)}"
        table.add_row(escape(group.group), members, "", "", str(group.lag), _age(group, now), style="bold")
        for topic in dict.fromkeys(one.topic for one in group.partitions):
            its = [one for one in group.partitions if one.topic == topic]
            telling = [one for one in its if not _is_quiet(one)]
            for one in telling:
                table.add_row(f"  {topic}", str(one.partition), *_figures(one, now))
            if quiet := len(its) - len(telling):
                table.add_row(f"  {topic}", f"{quiet} more" if telling else f"all {quiet}", "", "", "0", "-")
        table.add_section()
    return table


def notes_on(found: Sequence[GroupLag]) -> Iterator[str]:
    """Sentences on what the figures alone do not say."""
    for group in found:
        for one in group.partitions:
            where = f"{group.group}, {one.topic} partition {one.partition}"
            if one.deleted_unread:
                lost = f"{one.deleted_unread:,} messages were deleted unread"
                yield f"LOST: {where}: {lost} (committed {one.committed}, the first one there is {one.first})."
            if one.beyond_the_end:
                yield f"{where}: committed {one.committed}, beyond the end; the group begins at {one.first} again."
            if one.oldest_part is not None and one.oldest_part.of > 1:
                part = f"part {one.oldest_part.number} of {one.oldest_part.of} of a request"
                until = "until all parts have come (PARTS_WAIT_SECONDS at most) and are answered"
                yield f"{where}: the oldest unread message is {part}; the offset stands still {until}."
        if group.lag and not group.members:
            yield f"{group.group}: nobody is in this group, so nothing is read."


def as_json(group: GroupLag, now: datetime) -> str:
    """One line, with all that is known of one group."""
    return json.dumps(
        {
            "group": group.group,
            "members": group.members,
            "lag": group.lag,
            "deleted_unread": group.deleted_unread,
            "oldest_unread_seconds": _seconds(group, now),
            "partitions": [_partition_fields(one, now) for one in group.partitions],
        }
    )


def _partition_fields(one: PartitionLag, now: datetime) -> dict[str, Any]:
    return {
        "topic": one.topic,
        "partition": one.partition,
        "committed": one.committed,
        "first": one.first,
        "end": one.end,
        "lag": one.lag,
        "deleted_unread": one.deleted_unread,
        "oldest_unread_seconds": _seconds(one, now),
        "oldest_unread_part": one.oldest_part.model_dump() if one.oldest_part else None,
    }


def _is_quiet(one: PartitionLag) -> bool:
    """Whether there is nothing to say of it: all that came was read."""
    return not (one.lag or one.deleted_unread or one.beyond_the_end)


def _figures(one: PartitionLag, now: datetime) -> tuple[str, ...]:
    committed = "-" if one.committed is None else str(one.committed)
    return committed, str(one.end), str(one.lag), _age(one, now)


def _seconds(one: PartitionLag | GroupLag, now: datetime) -> float | None:
    return None if one.oldest_at is None else round(max(0.0, (now - one.oldest_at).total_seconds()), 1)


def _age(one: PartitionLag | GroupLag, now: datetime) -> str:
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
