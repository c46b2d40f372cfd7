"""`feedback lag`."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from runtime.cli.options import begin, say
from runtime.settings import Settings

if TYPE_CHECKING:
    from domain.lag import GroupLag  # imported late, so that --help is quick

_NEVER_CUT = 1000
"""Columns: in a file or a pipe no row is broken."""


@click.command(short_help="Show what workers, consumers and judges have not read yet.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per group and line, for scripts.")
def command(as_json: bool) -> None:
    """Show, for the groups of workers, consumers and judges, what is on their topics and not finished yet.

    They are WORKER_GROUP, CONSUMER_GROUP and, for codings, corrections and dead letters, CONSUMER_GROUP with "-codings"
    behind it; and JUDGE_GROUP, where JUDGE_MODEL is set or Kafka knows that group.

    An offset is committed when all that comes before it has its outcome: what is in flight counts as unread. A group
    without an offset counts from the partition's beginning, where it will begin. A line says so where retention deleted
    messages that the group had not come to, and where the oldest unread message is a part of a request, which waits for
    the other parts.

    On a terminal, the partitions of a topic that are all read share a row. In a file or a pipe each has its own, with
    the group in it, and no row is cut or broken.
    """
    settings = begin(at_terminal=True)
    found = asyncio.run(_lags(settings))
    now = datetime.now(UTC)
    from runtime.cli import lag_views as views

    if as_json:
        for group in found:
            say(views.as_json(group, now))
        return
    from rich.console import Console

    if sys.stdout.isatty():
        Console(highlight=False).print(views.short_table(found, now))
    else:
        Console(width=_NEVER_CUT, highlight=False).print(views.full_table(found, now))
    for line in views.notes_on(found):
        say(line)


async def _lags(settings: Settings) -> "list[GroupLag]":
    from adapters.kafka.lag import lags
    from runtime.wiring import kafka_connection
    from schemas.topics import LLM_CALLS, READ_BESIDE_CALLS, RECORDS, REQUESTS, RESULTS

    groups = {
        settings.worker_group: [RECORDS.name, REQUESTS.name],
        settings.consumer_group: [LLM_CALLS.name],
        settings.codings_group: [topic.name for topic in READ_BESIDE_CALLS],
        settings.judge_group: [topic.name for topic in RESULTS],
    }
    maybe = () if settings.judge_model is not None else (settings.judge_group,)
    return await lags(kafka_connection(settings), groups, where_there=maybe)
