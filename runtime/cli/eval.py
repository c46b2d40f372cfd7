"""`feedback eval`."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from domain.errors import FeedbackError
from runtime.cli.options import begin, say, warn
from runtime.cli.run import Operations
from runtime.evaluation.choosing import Condition
from runtime.process import run_until_signal
from runtime.settings import Settings
from schemas.operations import RecordOperation

if TYPE_CHECKING:
    from runtime.evaluation.outputs import EvaluationFiles  # imported late, so that --help is quick
    from runtime.evaluation.sample import Choice

_FILE = click.Path(dir_okay=False, path_type=Path)


class FieldIs(click.ParamType):
    """A condition on a record."""

    name = "field=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        """What stands before the first `=`, and what comes after it."""
        name, sign, wanted = str(value).partition("=")
        if not name or not sign:
            self.fail(f"{value} is not FIELD=VALUE, such as language=fr or metadata.channel=hotline.", param, ctx)
        return Condition(name, wanted)


@click.command(short_help="Measure how often a model finds the codes that people chose, and what that takes.")
@click.option(
    "--records", type=_FILE, required=True, help="JSON Lines: id, content, labels, optional tenant_id, language, ..."
)
@click.option("--framework", "frameworks", type=_FILE, multiple=True, help="Coding framework as JSON; once per tenant.")
@click.option("--model", help="provider/model instead of LLM_MODEL.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for figures, plot and answers.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier evaluation in that folder.")
@click.option(
    "--label",
    default="metadata.codes",
    show_default=True,
    metavar="FIELD",
    help="Where a record holds the id of its right code, or a list of ids; null: no code fits.",
)
@click.option(
    "--where",
    type=FieldIs(),
    multiple=True,
    metavar="FIELD=VALUE",
    help="Only records with this value; repeat for more.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many records, chosen at random.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another number chooses others.")
@click.option(
    "--corrections",
    type=_FILE,
    help="JSON Lines as `feedback.corrections` carries them, of other records: learned from first, as a worker does.",
)
@click.option(
    "--learn-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Learn from this share of the labelled records, chosen at random, as from corrections; measure on the others.",
)
@click.option(
    "--operations",
    type=Operations(),
    default=RecordOperation.ASSIGN_CODES.value,
    show_default=True,
    help="What to ask of each record; only codes are scored, the cost of each is counted.",
)
@click.option("--tenant", default="default", show_default=True, help="The tenant of records that name none.")
@click.option(
    "--give-up-after",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=900,
    show_default=True,
    help="End, with exit code 1 and what there is, after so long without a record done; 0: never.",
)
@click.pass_context
def command(
    ctx: click.Context,
    records: Path,
    frameworks: tuple[Path, ...],
    model: str | None,
    out: Path | None,
    overwrite: bool,
    label: str,
    where: tuple[Condition, ...],
    limit: int | None,
    seed: int,
    corrections: Path | None,
    learn_share: float | None,
    operations: tuple[RecordOperation, ...],
    tenant: str,
    give_up_after: float,
) -> None:
    """Measure how often a model finds the codes that people chose, how sure it is rightly, and what that takes.

    Asks as a worker does, with the same prompts, retries and settings, but one model for everything (LLM_MODELS and
    LLM_FALLBACK_MODEL are left out), and needs no Kafka and no PostgreSQL. Labels are read for scoring alone: no prompt
    holds them, nor anything of a record but its text. Only --learn-share has labels learned from, of records that are
    not measured; a record with the very text of one that is learned from is not measured either.

    Each record may get up to 3 codes; top-3 is the share in which the right one is among those that were answered.
    Accuracy at 25 % coverage is that of the surest quarter of the records. A record without a code is a miss.

    Ends with exit code 1 if it is broken off (what there is by then is shown and written), or no record got a result;
    and with 2, before a model is asked, if the files, the settings or the model's name and key are not as they should
    be.
    """
    settings = begin(at_terminal=True, llm_model=model)
    # Each failure would be a line that names topics which there are not here; the report has them all.
    logging.getLogger("domain.delivery").setLevel(logging.ERROR)
    from runtime.evaluation.outputs import EvaluationFiles
    from runtime.evaluation.sample import Choice
    from runtime.evaluation.worker import alone

    settings = alone(settings)
    choice = Choice(
        records,
        frameworks,
        operations,
        tenant,
        label,
        where,
        limit,
        seed,
        corrections=corrections,
        learn_share=learn_share,
    )
    files = EvaluationFiles(out, overwrite=overwrite) if out is not None else None
    good = run_until_signal(
        lambda stop: _evaluate(settings, choice, files, give_up_after, stop), "here is what there is so far."
    )
    ctx.exit(0 if good else 1)


async def _evaluate(
    settings: Settings, choice: "Choice", files: "EvaluationFiles | None", give_up_after: float, stop: asyncio.Event
) -> bool:
    from rich.console import Console

    from runtime.evaluation.answering import Answering
    from runtime.evaluation.collected import Collected
    from runtime.evaluation.evaluation import evaluation_of
    from runtime.evaluation.outputs import EvaluationNotWrittenError, write_evaluation
    from runtime.evaluation.progress import Bar
    from runtime.evaluation.sample import read_sample
    from runtime.evaluation.tables import last_line, print_evaluation
    from runtime.evaluation.worker import worker_of
    from runtime.process import until_stopped

    sample = read_sample(settings, choice)
    if files is not None:
        files.check()
    for notice in sample.notices:
        warn(notice)
    collected, answering = Collected(), Answering(sample.records)

    async def work() -> None:
        if sample.book.count:
            say(f"Learning from {sample.book.count:,} corrected records ...")
        async with worker_of(settings, sample.frameworks, collected, sample.book.lessons) as handler:
            with Bar(Console(stderr=True), len(sample.records)) as bar:
                await answering.run(handler, bar.show, give_up_after)

    def report() -> bool:
        found = evaluation_of(settings.llm_model, settings.max_in_flight, choice, sample, answering, collected)
        print_evaluation(Console(), found)
        good = found.complete and found.failed < found.done
        try:
            if files is not None:
                write_evaluation(files, found, sample.records, answering.done, collected)
                say(f"Figures, plot and answers: the files in {files.folder}")
        except EvaluationNotWrittenError as error:
            warn(error.message)
            good = False
        say(last_line(found))
        return good

    try:
        await until_stopped(work(), stop)
    except FeedbackError:
        if answering.done:  # which may have been paid for
            report()
        raise
    return report()
