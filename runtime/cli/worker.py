"""`feedback worker`."""

import click

from runtime.cli.options import begin
from runtime.process import run_until_signal


@click.command(short_help="Stream worker: feedback records in, results out.")
def command() -> None:
    """Stream worker: reads feedback records and requests, calls the model, publishes results.

    Start as many as you like; they share the work. SIGTERM drains: what is in flight is finished within
    DRAIN_SECONDS, the rest is redelivered.
    """
    settings = begin()
    from runtime.wiring import run_worker

    stopping = f"no new input is taken; what is in flight has {settings.drain_seconds:g} s (DRAIN_SECONDS) to finish."
    run_until_signal(lambda stop: run_worker(settings, stop), stopping)
