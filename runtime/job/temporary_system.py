"""A system for one job: alone on servers of its own, or a guest on those of the environment."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console

from adapters.postgres.engine import check as check_database
from runtime import wiring
from runtime.directories import make_private
from runtime.job.neighbours import workers_beside_others
from runtime.job.task import Task
from runtime.model_check import check_models
from runtime.settings import Settings
from runtime.system.system import Shape, System, running_system
from runtime.wiring.parts import all_models

_DRAIN_SECONDS = 2.0


@asynccontextmanager
async def temporary_system(settings: Settings, task: Task, console: Console) -> AsyncIterator[System]:
    """A system for one job. Embedded servers get a fresh directory, which goes with them; its logs stay.

    Raises:
        UserError: it cannot start, or the Kafka, the database or the model that is set cannot be used; then nothing has
            been started.
    """
    home = settings.feedback_home
    make_private(home)
    own_kafka = not settings.kafka_bootstrap_servers
    # Gone when the job is done: no metrics, as it may run beside what has their port.
    changes: dict[str, object] = {"drain_seconds": drain_seconds(settings), "metrics_port": 0}
    if own_kafka:
        # Nobody else's inputs are there: a job of nothing but bad records shall say so of each, and end.
        changes["dead_letter_share"] = 1.0
    workers = task.workers if own_kafka else await workers_beside_others(settings, task, console)
    if wiring.database_url(settings):
        await check_database(wiring.database_settings(settings))
    if workers:
        await check_models(
            all_models(settings), lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True)
        )
    directory = Path(tempfile.mkdtemp(prefix="job-", dir=home))  # which only its owner can enter
    try:
        async with running_system(
            settings.model_copy(update=changes),
            Shape(directory, workers, task.api, lasting=own_kafka),
            lambda line: console.print(line, highlight=False, markup=False),
            lambda what: console.print(f"Starting {what} ...", highlight=False, markup=False),
        ) as system:
            yield system
    finally:
        logs = logs_of(settings)
        shutil.rmtree(logs, ignore_errors=True)
        with contextlib.suppress(OSError):
            shutil.move(directory / "logs", logs)
        shutil.rmtree(directory, ignore_errors=True)


def drain_seconds(settings: Settings) -> float:
    """The time that the job's workers get to finish in.

    Where a server is embedded, what would be left after a job that was broken off goes with its directory.
    """
    if settings.kafka_bootstrap_servers and wiring.database_url(settings):
        return settings.drain_seconds
    return min(settings.drain_seconds, _DRAIN_SECONDS)


def logs_of(settings: Settings) -> Path:
    """Where the logs of the latest job's processes are, once it is over."""
    return settings.feedback_home / "last-job-logs"
