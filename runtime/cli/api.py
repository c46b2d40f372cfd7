"""`feedback api`."""

import click

from runtime.cli.options import begin, serve


@click.command(short_help="Read API over the usage of LLM calls.")
def command() -> None:
    """Read API: usage per tenant and per operation, on API_HOST and API_PORT. Its page is at /docs."""
    settings = begin()
    from runtime.wiring import run_api

    serve(lambda stop: run_api(settings, stop))
