"""Runs cases one after the other on one ground, and checks the same invariants after each."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from time import monotonic

from tests.chaos.catalogue import Case
from tests.chaos.checker import check
from tests.chaos.collect import collect
from tests.chaos.ground import Ground, a_ground
from tests.chaos.report import Outcome
from tests.chaos.setting import a_stage
from tests.chaos.stage import Stage


async def run_cases(cases: Iterable[Case], seed: int, home: Path) -> AsyncIterator[Outcome]:
    """Each case's outcome, as soon as it has one. A case that fails leaves a new ground to the next."""
    waiting = list(cases)
    ground_number = 0
    while waiting:
        ground_number += 1
        async with a_ground(home / f"ground-{ground_number}") as ground:
            while waiting:
                outcome = await _run(waiting.pop(0), seed, home, ground)
                yield outcome
                if not outcome.passed:
                    break


async def _run(case: Case, seed: int, home: Path, ground: Ground) -> Outcome:
    began = monotonic()
    directory = home / case.name
    directory.mkdir(parents=True, exist_ok=True)
    outcome = Outcome(case.name, None, "it could not be begun")
    try:
        async with a_stage(ground, directory, Random(f"{seed}:{case.name}")) as stage:
            failure = await _tell(case, stage)
            _keep_logs(stage, directory)
            await ground.mend()
            outcome = Outcome(case.name, None, failure or "its evidence could not be read", stage.recovery)
            with suppress(TimeoutError):
                async with asyncio.timeout(120):
                    outcome = Outcome(case.name, check(await collect(stage)), failure, stage.recovery)
    except (Exception, asyncio.CancelledError) as error:  # others are run all the same
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # not one that aiokafka lets out of its own tasks
        outcome = replace(outcome, failure="; ".join(filter(None, [outcome.failure, _told(error)])))
    return replace(outcome, seconds=monotonic() - began)


async def _tell(case: Case, stage: Stage) -> str:
    """Do what the case does; return what went wrong, or nothing."""
    try:
        async with asyncio.timeout(case.seconds):
            await case.story(stage)
    except Exception as error:  # noqa: BLE001 - a failed case is a finding, and its evidence is still worth a look
        return _told(error)
    return ""


def _told(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "chaos" in frame.filename]
    where = f" (line {frames[-1].lineno} of {Path(frames[-1].filename).name})" if frames else ""
    return f"{type(error).__name__}: {error}"[:500] + where


def _keep_logs(stage: Stage, directory: Path) -> None:
    for member in stage.members.values():
        for name, text in member.texts():
            (directory / f"{name}.log").write_text(text, encoding="utf-8")
