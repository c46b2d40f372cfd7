"""`python -m tests.chaos`: break the running system in every way of the list, and check the same invariants each time.

Exit code 1 if any case failed, 2 for a mistake in the options.
"""

import argparse
import asyncio
import logging
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos import report
from tests.chaos.catalogue import Case, all_cases
from tests.chaos.runner import run_cases

_WIDE = 170
"""Columns, where nobody's terminal says how many."""


def main() -> None:
    """Run the cases that the options name."""
    options = _parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    if options.list:
        for case in all_cases().values():
            console.print(f"{case.name:34} {'quick' if case.quick else '     '}  {case.about}", highlight=False)
        return
    cases = _chosen(options)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    home = Path(options.home or tempfile.mkdtemp(prefix="chaos-"))
    home.mkdir(parents=True, exist_ok=True)
    # What our own clients of a broken server say is no news here.
    logging.basicConfig(filename=home / "chaos.log", level=logging.WARNING)
    file = Path(options.report or home / "report.jsonl")
    if not options.begin:  # what goes on with another run adds to its figures
        file.unlink(missing_ok=True)
    outcomes = asyncio.run(_run(cases, seed, home, console, file))
    console.print(report.table(outcomes))
    if options.markdown:
        about = {case.name: case.about for case in all_cases().values()}
        Path(options.markdown).write_text(report.markdown(report.kept(file), about), encoding="utf-8")
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    if failed:
        console.print(f"Again: make chaos CASES={','.join(failed)} SEED={seed}. Logs: {home}", highlight=False)
    print(report.last_line(outcomes, seed))  # noqa: T201 - for scripts
    sys.exit(1 if failed else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--cases", default="", help="names with commas between; all by default")
    parser.add_argument(
        "--from", dest="begin", default="", help="begin with this case: go on with a run that broke off"
    )
    parser.add_argument("--quick", action="store_true", help="the quick subset")
    parser.add_argument("--seed", type=int, help="repeat the chance of another run")
    parser.add_argument(
        "--report", help="a file for the figures, a line of JSON for each case as it ends; with --from they are added"
    )
    parser.add_argument("--markdown", help="a file for the table, made of those figures at the end")
    parser.add_argument("--home", help="a directory for data and logs")
    parser.add_argument("--list", action="store_true", help="list the cases")
    return parser


def _chosen(options: argparse.Namespace) -> list[Case]:
    known = all_cases()
    names = [name.strip() for name in options.cases.split(",") if name.strip()]
    wrong = [name for name in [*names, *filter(None, [options.begin])] if name not in known]
    if wrong:
        sys.stderr.write(f"chaos: there is no case {', '.join(wrong)}. List them with --list.\n")
        sys.exit(2)
    chosen = [known[name] for name in names] or [case for case in known.values() if not case.by_name]
    if options.quick:
        chosen = [case for case in chosen if case.quick]
    if options.begin:
        order = list(known)
        chosen = [case for case in chosen if order.index(case.name) >= order.index(options.begin)]
    return chosen


async def _run(cases: Sequence[Case], seed: int, home: Path, console: Console, file: Path) -> list[report.Outcome]:
    outcomes: list[report.Outcome] = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(cases[0].name if cases else "", total=len(cases))
        async for outcome in run_cases(cases, seed, home):
            outcomes.append(outcome)
            report.keep(file, outcome, seed)
            report.show(console, outcome)
            following = cases[len(outcomes)].name if len(outcomes) < len(cases) else "done"
            progress.update(bar, advance=1, description=following)
    return outcomes


if __name__ == "__main__":
    main()
