"""What a run of cases comes to: a table for people, lines of JSON for keeping, and a last line for scripts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.checker import Verdict


@dataclass(frozen=True)
class Outcome:
    """How one case ended.

    Attributes:
        verdict: None where the case itself failed; `failure` says how.
        recovery: seconds until work went on, by what was broken.
        seconds: how long it took in all.
    """

    name: str
    verdict: Verdict | None
    failure: str
    recovery: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it did all that it was to do, and no invariant was broken."""
        return self.verdict is not None and self.verdict.passed and not self.failure

    def figures(self) -> dict[str, Any]:
        """For a line of JSON."""
        told: dict[str, Any] = {"case": self.name, "passed": self.passed, "seconds": round(self.seconds, 1)}
        if self.verdict is not None:
            told |= {
                "inputs": self.verdict.inputs,
                "lost": self.verdict.lost,
                "doubled": self.verdict.doubled,
                "repeats": self.verdict.repeats,
                "allowed_repeats": self.verdict.allowed_repeats,
                "dead_letters": dict(self.verdict.dead_letters),
                "calls": self.verdict.calls,
                "missing_calls": self.verdict.missing_calls,
            }
        return told | {"recovery": self.recovery, "problems": self.problems()}

    def problems(self) -> list[str]:
        """What went wrong, a sentence each."""
        broken = [] if self.verdict is None else [f"{v.invariant}: {v.sentence}" for v in self.verdict.violations]
        return ([self.failure] if self.failure else []) + broken


def show(console: Console, outcome: Outcome) -> None:
    """A line for a case that has just ended, and its problems."""
    told = outcome.figures()
    mark = "[green]ok  [/]" if outcome.passed else "[red]FAIL[/]"
    counted = " ".join(f"{name}={told[name]}" for name in ("inputs", "lost", "doubled", "repeats") if name in told)
    recovered = f"  {told_of(outcome.recovery)}" if outcome.recovery else ""
    console.print(f"{mark} {outcome.name}  {counted}{recovered}  ({outcome.seconds:.0f} s)", highlight=False)
    for problem in outcome.problems():
        console.print(f"       {problem}", highlight=False, markup=False, soft_wrap=True)


def told_of(recovery: Mapping[str, Sequence[float]]) -> str:
    """`restarted 4.2 (4.1..4.8) s`: the median and the range, for each thing that was broken."""
    return ", ".join(
        f"{what} {_told(median(seconds))} ({_told(min(seconds))}..{_told(max(seconds))}) s"
        for what, seconds in recovery.items()
    )


def _told(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 1 else f"{seconds:.1f}"


def table(outcomes: Sequence[Outcome]) -> Table:
    """All cases with their figures."""
    made = Table(title="What was broken, and what came of it", title_justify="left")
    made.add_column("case", no_wrap=True)
    for column in ("inputs", "lost", "doubled", "repeats", "allowed", "letters", "calls", "s"):
        made.add_column(column, justify="right")
    made.add_column("work went on after")
    for outcome in outcomes:
        verdict = outcome.verdict
        counted = ["-"] * 7
        if verdict is not None:
            figures = (verdict.inputs, verdict.lost, verdict.doubled, verdict.repeats, verdict.allowed_repeats)
            counted = [*map(str, figures), str(sum(verdict.dead_letters.values())), str(verdict.calls)]
        recovered = told_of(outcome.recovery)
        name = outcome.name if outcome.passed else f"[red]{outcome.name}[/]"
        made.add_row(name, *counted, f"{outcome.seconds:.0f}", recovered)
    return made


def markdown(figures: Iterable[Mapping[str, Any]], about: Mapping[str, str]) -> str:
    """The same table as Markdown from `Outcome.figures`, each case with its sentence."""
    lines = [
        "| case | what happens | inputs | lost | doubled | repeats (allowed) | dead letters | LLM calls | recovery |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for told in figures:
        counted = ["-"] * 6
        if "inputs" in told:
            repeats = f"{told['repeats']} ({told['allowed_repeats']})"
            letters = sum(told["dead_letters"].values())
            counted = [*map(str, (told["inputs"], told["lost"], told["doubled"], repeats, letters, told["calls"]))]
        name = told["case"] if told["passed"] else f"**{told['case']} (failed)**"
        lines.append(f"| {' | '.join([name, about.get(told['case'], ''), *counted, told_of(told['recovery'])])} |")
    return "\n".join(lines) + "\n"


def keep(file: Path, outcome: Outcome, seed: int) -> None:
    """Add a case's figures, a line of JSON, as soon as it has ended: a run that breaks off leaves those that it has."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(outcome.figures() | {"seed": seed}) + "\n")


def kept(file: Path) -> list[dict[str, Any]]:
    """The figures in the file, in the order in which the cases ended; of a case that is there twice the last."""
    figures = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    return list({told["case"]: told for told in figures}.values())


def last_line(outcomes: Sequence[Outcome], seed: int) -> str:
    """For scripts."""
    verdicts = [outcome.verdict for outcome in outcomes if outcome.verdict is not None]
    lost, doubled, repeats = (sum(getattr(v, name) for v in verdicts) for name in ("lost", "doubled", "repeats"))
    passed = sum(outcome.passed for outcome in outcomes)
    return f"chaos: cases={len(outcomes)} passed={passed} lost={lost} doubled={doubled} repeats={repeats} seed={seed}"
