"""`feedback api`."""

import click

from runtime.cli.options import begin
from runtime.process import run_until_signal


@click.command(short_help="Read API: usage of LLM calls, agreement of codings.")
def command() -> None:
    """Read API: usage per tenant and per operation, agreement of codings and corrections, dead letters. Its page
    is at /, its description at /docs.

    It listens on API_HOST and API_PORT.
    """
    settings = begin()
    from api.server import DRAIN_SECONDS
    from runtime.wiring import run_api

    stopping = f"answers under way have {DRAIN_SECONDS} s to finish."
    run_until_signal(lambda stop: run_api(settings, stop), stopping)
