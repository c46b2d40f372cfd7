"""`feedback judge`."""

import click

from runtime.cli.options import begin
from runtime.process import run_until_signal


@click.command(short_help="Judge: a second opinion on results.")
def command() -> None:
    """Judge: reads results, looks up the records behind them, and has a model of its own judge them.

    JUDGE_MODEL says which model (LLM_MODEL if absent), JUDGE_SHARE what share of the results is judged. Its failures
    touch no result. SIGTERM drains as with a worker.
    """
    settings = begin()
    from runtime.wiring import run_judge

    stopping = f"no new result is taken; what is in flight has {settings.drain_seconds:g} s (DRAIN_SECONDS) to finish."
    run_until_signal(lambda stop: run_judge(settings, stop), stopping)
