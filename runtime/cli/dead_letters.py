"""`feedback dead-letters`."""

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from domain.delivery.reasons import REASONS
from runtime.cli.options import begin, say, warn
from runtime.process import run_until_signal, until_stopped
from runtime.settings import Settings
from schemas.operations import Operation

if TYPE_CHECKING:
    from adapters.kafka.dead_letters import Begin, DeadLetterTopic
    from domain.dead_letters.register import Filter, Known
    from runtime.replaying import Found, Replaying  # imported late, so that --help is quick

_NEVER_CUT = 2000
"""Columns: whatever the width of the terminal, no row is broken by us, and no id where it is copied."""

_OPERATIONS = [each.value for each in Operation]

F = TypeVar("F", bound=Callable[..., Any])


class Moment(click.ParamType):
    """A time with an offset."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time, or a complaint that says what one looks like."""
        from pydantic import TypeAdapter, ValidationError

        from schemas.base import Timestamp

        try:
            moment: datetime = TypeAdapter(Timestamp).validate_python(value)
        except ValidationError:
            self.fail(
                f"{value} is no time as RFC 3339 writes it, with an offset: 2026-11-22T10:00:00Z, say.", param, ctx
            )
        return moment


def filters(command: F) -> F:
    """The options that `list` and `replay` share."""
    options = (
        click.option(
            "--reason",
            type=click.Choice(list(REASONS)),
            metavar="REASON",
            help=f"Only with this reason: {', '.join(REASONS)}.",
        ),
        click.option("--tenant", help="Only of this tenant."),
        click.option(
            "--operation",
            type=click.Choice(_OPERATIONS),
            metavar="OPERATION",
            help=f"Only of this operation: {', '.join(_OPERATIONS)}.",
        ),
        click.option("--from", "since", type=Moment(), help="Only given up at this time (RFC 3339) or later."),
        click.option("--to", "until", type=Moment(), help="Only given up before this time."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _filter(ids: tuple[UUID, ...] = (), **fields: Any) -> "Filter":
    from domain.dead_letters.register import Filter

    chosen = Filter(ids=frozenset(ids), **fields)
    if chosen.since and chosen.until and chosen.since >= chosen.until:
        raise click.UsageError("--from must be before --to.")
    return chosen


@click.group("dead-letters", short_help="List, show or replay what could not be answered.")
def command() -> None:
    """Inputs, or operations on them, that have no result, as they stand on feedback.dead-letters."""


@command.command("list", short_help="Show dead letters, and which were replayed.")
@filters
@click.option("--open", "only_open", is_flag=True, help="Only those that were not replayed.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many, the newest.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, for scripts.")
def list_letters(only_open: bool, limit: int, as_json: bool, **fields: Any) -> None:
    """Show dead letters, the newest last, how many there are of each reason, and which were replayed.

    What stands there several times, repeated after a crash or failed again after a replay, is one row, with its latest
    failure, which --reason, --from and --to look at, and how many times there are. It counts as replayed where that
    latest failure was: the topics that the inputs came from are read for it.

    Where the table is wider than the terminal, each dead letter has several lines instead of one. In a file or a pipe
    it has one line, however long; scripts are better off with --json.
    """
    settings = begin(at_terminal=True)
    chosen = _filter(**fields)
    from runtime.replaying import find

    with _progress() as told:
        found = asyncio.run(find(_topic(settings, told), chosen))
    letters = [known for known in found.matched if not (only_open and found.replays.done(known))]
    _print(found, letters, letters[-limit:], as_json=as_json, filtered=only_open or _any(fields))
    _tell_invalid(found.invalid)
    for sentence in found.doubts():
        warn(sentence)


def _any(fields: dict[str, Any]) -> bool:
    return any(value is not None for value in fields.values())


def _topic(settings: Settings, told: "Begin") -> "DeadLetterTopic":
    from adapters.kafka.dead_letters import DeadLetterTopic
    from runtime.wiring import kafka_connection

    return DeadLetterTopic(kafka_connection(settings), told)


def _print(found: "Found", letters: list["Known"], shown: list["Known"], *, as_json: bool, filtered: bool) -> None:
    from rich.console import Console

    from runtime.cli import dead_letter_views as views

    replayed = found.replays.done
    if as_json:
        for known in shown:
            say(views.as_json(known, replayed=replayed(known)))
        return
    if not letters:
        say(views.nothing_found(found.in_all, filtered=filtered))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    views.print_table(Console(width=_NEVER_CUT, highlight=False), shown, replayed, width)
    say(views.summary_of(letters, len(shown), replayed))


@command.command(short_help="Show all that is known about one.")
@click.argument("dead_letter_id", metavar="ID", type=click.UUID)
@click.option("--content", is_flag=True, help="Show the original content, too. It is confidential.")
def show(dead_letter_id: UUID, content: bool) -> None:
    """Show all that is known about the dead letter ID (see `feedback dead-letters list`)."""
    settings = begin(at_terminal=True)
    from domain.dead_letters.register import Register
    from domain.errors import UserError
    from runtime.cli.dead_letter_views import lines_of
    from schemas.dead_letters import DeadLetter

    latest: list[DeadLetter] = []

    def keep(letter: DeadLetter) -> None:
        latest[:] = [letter]

    register = Register(_filter((dead_letter_id,)))

    async def look() -> None:
        topic = _topic(settings, told)
        await topic.check()
        await topic.fill(register, keep)

    with _progress() as told:
        asyncio.run(look())
    if not latest:
        raise UserError(f"There is no dead letter {dead_letter_id}.", "List them with `feedback dead-letters list`.")
    (known,) = register.matching()
    for line in lines_of(latest[0], known.times, content=content):
        say(line)


@command.command(short_help="Send inputs again to the topic they came from.")
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@filters
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, with the IDs, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def replay(
    ctx: click.Context, /, ids: tuple[UUID, ...], everything: bool, dry_run: bool, yes: bool, **fields: Any
) -> None:
    """Send dead letters again to the topic that they came from: these IDs, those that the options name, or --all.

    The original bytes, key and headers are sent, so that a result carries the id that it would have had. Where a dead
    letter is one operation's, only that one is done again. Each failure is replayed once, for as long as its topic
    keeps the replay: what was replayed already counts as `already`, and what failed again after its replay may be
    replayed again. Two replays at the same moment may both send; the effect is once, by result_id (the model may be
    asked twice). With --dry-run nothing is sent: what would be is counted, and so is what would be left out, and why.

    What cannot be replayed is named on stderr, and makes the exit code 1: a dead letter that was too large to carry its
    input, one whose topic is gone or is none of inputs, or a framework that has a newer version. The last line is for
    scripts; with --dry-run it has would_replay=N at its end.
    """
    _must_choose_once(sum((bool(ids), everything, _any(fields))))
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("Nobody is there to be asked: give --yes, or --dry-run.")
    settings = begin(at_terminal=True)
    chosen = _filter(ids, **fields)
    with _progress() as told:
        replaying = _replaying(settings, told)
        asyncio.run(replaying.prepare(chosen))
    _tell_invalid(replaying.invalid)
    for sentence in replaying.plan.doubts():
        warn(sentence)
    complete = dry_run or _carried_out(settings, replaying, yes=yes)
    for sentence in replaying.plan.refusals():
        warn(sentence)
    _tell_found(replaying, filtered=not everything, dry_run=dry_run)
    say(f"{replaying.last_line} would_replay={len(replaying.plan.replay)}" if dry_run else replaying.last_line)
    ctx.exit(0 if complete and not replaying.plan.refused else 1)


def _must_choose_once(ways: int) -> None:
    if ways > 1:
        raise click.UsageError("Give either IDs, or --reason ..., or --all: not several of them.")
    if not ways:
        raise click.UsageError("Name dead letters by their IDs, or by --reason, --tenant, ..., or give --all.")


def _replaying(settings: Settings, told: "Begin") -> "Replaying":
    from runtime.replaying import Replaying

    return Replaying(_topic(settings, told))


def _tell_found(replaying: "Replaying", *, filtered: bool, dry_run: bool) -> None:
    from runtime.cli.dead_letter_views import nothing_found, plan_lines

    if not replaying.matched:
        say(nothing_found(replaying.in_all, filtered=filtered))
    elif dry_run:
        for line in plan_lines(replaying.plan):
            say(line)


def _carried_out(settings: Settings, replaying: "Replaying", *, yes: bool) -> bool:
    """Ask, then replay; whether nothing kept it from its end."""
    from dataclasses import replace

    from domain.errors import FeedbackError
    from runtime.wiring import publisher

    count = len(replaying.plan.replay)
    if not count:
        return True
    if not yes and not click.confirm(f"Replay {count:,} dead letter{'s' * (count > 1)}{_to(replaying)}?"):
        say("Nothing was replayed.")
        return True
    with _progress() as told:
        replaying.topic = replace(replaying.topic, begin=told)
        try:
            done = run_until_signal(lambda stop: until_stopped(_true(replaying.carry_out(publisher(settings))), stop))
        except FeedbackError:
            say(replaying.last_line)  # a script learns how far it came; the sentence comes after it
            raise
    if not done:
        say("Broken off; what was sent counts, and is not sent again next time.")
    return bool(done)


def _to(replaying: "Replaying") -> str:
    counts = replaying.plan.by_topic
    return f" ({counts})" if counts else ""


async def _true(work: Any) -> bool:
    await work
    return True


def _tell_invalid(invalid: int) -> None:
    if invalid:
        warn(f"{invalid:,} message{'s' * (invalid > 1)} on feedback.dead-letters cannot be read as a dead letter.")


@contextmanager
def _progress() -> Iterator["Begin"]:
    """Bars for what is read, on a terminal alone; they are gone in the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def told(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=total)
            return lambda passed: progress.update(task, advance=passed)

        yield told
