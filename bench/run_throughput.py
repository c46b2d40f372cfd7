"""Records a second through `feedback run`, with one worker and with two, or with a setting and without it, in turn.

    python -m bench.run_throughput --records FILE [--framework FILE] [--workers 1 2] [--rounds 3] [--beside NAME=VALUE]

Each run is the whole command: servers, topics, schema, processes, the job, the report. Three times are taken: the
whole, from the command to its end; the work, from the moment that the job begins to publish to its last result
(`completed_at`) or dead letter, in which the workers still load their model; and the flow, from the first outcome to
the last. Every run must end with an outcome for every record.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.figures import ratios, show, table, told

LAST_LINE = re.compile(
    r"^run: records=(\d+) outcomes=(\d+) lost=0 dead_letters=(\d+) llm_calls=(\d+) rows=(\d+)$", re.M
)
_ENDS = ("completed_at", "failed_at")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its records and dead letters, the seconds of the whole, of the work, and of the flow."""

    records: int
    dead_letters: int
    whole: float
    work: float
    flow: float


TIMES: tuple[Callable[[Run], float], ...] = (lambda run: run.flow, lambda run: run.work, lambda run: run.whole)


def measure(command: list[str], settings: dict[str, str], out: Path) -> Run:
    """Run the command once, with these settings; it writes to `out`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--out", str(out)],
            env={**os.environ, **settings, "FEEDBACK_HOME": home},
            capture_output=True,
            text=True,
            check=False,
        )
        whole = time.monotonic() - began
    ended = LAST_LINE.search(done.stdout)
    if done.returncode != 0 or ended is None:
        sys.exit(f"{done.stdout}{done.stderr}\nbench: the run did not end well (exit code {done.returncode}).")
    job, first, last = moments(out)
    return Run(int(ended[1]), int(ended[3]), whole, (last - job).total_seconds(), (last - first).total_seconds())


def moments(out: Path) -> tuple[datetime, datetime, datetime]:
    """When the job began, its first outcome and its last, as its own files tell it."""
    events = [json.loads(line) for file in out.glob("*.jsonl") for line in file.read_text("utf-8").splitlines()]
    ends = [datetime.fromisoformat(event[name]) for event in events for name in _ENDS if name in event]
    began = json.loads((out / "usage.json").read_text("utf-8"))["from"]
    return datetime.fromisoformat(began), min(ends), max(ends)


def main() -> None:
    """See the module's docstring."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=Path, required=True, help="a JSON Lines file")
    options.add_argument("--framework", type=Path, action="append", default=[], help="once per tenant; none: summaries")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    options.add_argument("--rounds", type=int, default=3, help="default 3")
    options.add_argument("--model", default="offline/semantic", help="default offline/semantic")
    options.add_argument("--beside", metavar="NAME=VALUE", help="the same with this setting, too")
    given = options.parse_args()
    command = [str(Path(sys.executable).with_name("feedback")), "run", "--records", str(given.records)]
    command += ["--model", given.model, *(word for path in given.framework for word in ("--framework", str(path)))]
    beside = dict([given.beside.split("=", 1)]) if given.beside else None
    ways = [(workers, settings) for workers in given.workers for settings in ({}, beside) if settings is not None]
    found: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        for number in range(given.rounds):
            for place, (workers, settings) in enumerate(ways):
                name = ", ".join([str(workers), *(f"{key}={value}" for key, value in settings.items())])
                run = measure([*command, "--workers", str(workers)], settings, Path(directory, f"{number}-{place}"))
                found.setdefault(name, []).append(run)
                print(f"round {number + 1}, {name} workers: {run.work:.1f} s of {run.whole:.1f} s", file=sys.stderr)
    report(found, given.records.name, given.model)


def report(found: dict[str, list[Run]], name: str, model: str) -> None:
    """Print the table."""
    first = next(iter(found.values()))
    made = table(
        f"{first[0].records} records of {name} with {model}: median (min..max) of {len(first)} rounds",
        ("workers", "records/s, flow", "records/s, work", "records/s, whole", "flow s", "work s", "whole s"),
    )
    for way, runs in found.items():
        made.add_row(
            way,
            *(told([run.records / seconds(run) for run in runs]) for seconds in TIMES),
            *(told([seconds(run) for run in runs], 1) for seconds in TIMES),
        )
    for way, runs in list(found.items())[1:]:
        gains = [told(ratios([seconds(run) for run in first], [seconds(run) for run in runs]), 2) for seconds in TIMES]
        made.add_row(f"{way} / {next(iter(found))}", *gains)
    show(made)
    dead = max(run.dead_letters for runs in found.values() for run in runs)
    print(f"records lost: 0 in every run; dead letters: {dead or 'none'}")


if __name__ == "__main__":
    main()
