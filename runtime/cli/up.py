"""`feedback up`."""

import asyncio
import contextlib
import shlex
from pathlib import Path

import click

from runtime.cli.options import begin, say
from runtime.process import run_until_signal, until_stopped
from runtime.settings import Settings


@click.command(short_help="Start the whole system and keep it running.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many stream workers.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where data, logs, `env` and `processes.json` live.  [default: FEEDBACK_HOME, .feedback]",
)
def command(workers: int, directory: Path | None) -> None:
    """Start the whole system and keep it running until Ctrl-C or SIGTERM.

    Kafka and PostgreSQL are those of the environment, else embedded ones. A process that dies is started again. Results
    are judged where JUDGE_MODEL is set, and budgets watched where BUDGETS_FILE is. Before anything is started, each
    model that is set is looked at: a name that nobody knows, or a missing key, ends the command with exit code 2.
    DIRECTORY/env holds the addresses and an API key, for `set -a; source DIRECTORY/env; set +a`;
    DIRECTORY/processes.json holds the process ids.
    """
    settings = begin(feedback_home=directory)
    stopping = f"what is in flight has {settings.drain_seconds:g} s (DRAIN_SECONDS) to finish, then all processes end."
    run_until_signal(lambda stop: _up(settings, workers, stop), stopping)


async def _up(settings: Settings, workers: int, stop: asyncio.Event) -> None:
    await until_stopped(_keep_running(settings, workers), stop)


async def _keep_running(settings: Settings, workers: int) -> None:
    from domain.errors import WorkerHaltedError
    from runtime.budgets_file import load_budgets
    from runtime.model_check import check_models
    from runtime.system.env_file import env_file
    from runtime.system.system import Shape, running_system
    from runtime.wiring.budgets import webhook_settings
    from runtime.wiring.judging import judge_settings
    from runtime.wiring.parts import all_models

    if settings.budgets_file is not None:
        load_budgets(settings.budgets_file)  # what is wrong with it is told before anything is started
        webhook_settings(settings)
    judging = [judge_settings(settings)] if settings.judge_model is not None else []
    await check_models([*all_models(settings), *judging], say)
    watched = {"judge": settings.judge_model is not None, "budgets": settings.budgets_file is not None}
    shape = Shape(settings.feedback_home, workers, roller=True, **watched)
    async with running_system(settings, shape, say, lambda what: say(f"Starting {what} ...")) as system:
        with env_file(shape.directory, system):
            say(f"\nRunning. API: {system.api_url} (open it in a browser; its description: {system.api_url}/docs)")
            for name, url in system.metrics_urls.items():
                say(f"Metrics of {name}: {url}")
            say(f"Addresses and a key:  set -a; source {shlex.quote(str(shape.directory / 'env'))}; set +a")
            say(f"Process ids: {shape.directory / 'processes.json'}   Logs: {shape.directory / 'logs'}")
            say("Ctrl-C ends it.")
            # A worker that halted itself has said why; the rest of the system goes on serving.
            with contextlib.suppress(WorkerHaltedError):
                await system.supervisor.failed()
            await asyncio.Event().wait()
