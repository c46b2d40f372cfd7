"""`feedback migrate`."""

import asyncio

import click

from runtime.cli.options import begin, say


@click.command(short_help="Bring the database to the newest schema.")
def command() -> None:
    """Bring the database to the newest schema. Several may run at once: one migrates, the others wait for it."""
    settings = begin()
    from adapters.postgres.migrate import migrate
    from runtime.wiring import database_settings

    report = asyncio.run(migrate(database_settings(settings)))
    if report.before == report.after:
        say(f"The database is at the newest schema, {report.after}.")
    else:
        say(f"The database went from {report.before or 'empty'} to {report.after}.")
