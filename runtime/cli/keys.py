"""`feedback keys`."""

import asyncio
import re

import click

from runtime.cli.options import begin, printable, say

_NEVER_CUT = 1000
"""Columns: a row that is wider than the terminal goes on in its next line, which breaks no name where it is copied."""


@click.group(short_help="Create, list and revoke API keys.")
def command() -> None:
    """Bearer keys of the read API."""


@command.command()
@click.option("--tenant", required=True, help="Whose usage the key reads.")
@click.option("--superuser", is_flag=True, help="Let the key read every tenant's usage.")
@click.option("--label", help="A name that helps you to recognise the key later.")
def create(tenant: str, superuser: bool, label: str | None) -> None:
    """Make a key and show it: this once, it is stored only as a hash.

    The key alone goes to stdout; how to revoke it is told on stderr.
    """
    settings = begin()
    from domain.keys import KeyMaterial

    async def work() -> KeyMaterial:
        from runtime.wiring import key_store

        async with key_store(settings) as keys:
            return await keys.create(tenant, superuser=superuser, label=label)

    key = asyncio.run(work())
    say(key.text)
    click.echo(f"It is shown this once. To revoke it: feedback keys revoke {key.prefix}", err=True)


@command.command("list")
def list_keys() -> None:
    """Show the keys: prefix, tenant, rights and age, never the key."""
    settings = begin()
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from domain.keys import StoredKey

    async def work() -> list[StoredKey]:
        from runtime.wiring import key_store

        async with key_store(settings) as keys:
            return list(await keys.list())

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("prefix", "tenant", "super", "label", "created", "revoked"):  # narrow: for 80 columns
        table.add_column(column, no_wrap=True)
    for key in asyncio.run(work()):
        table.add_row(
            key.prefix,
            _plain(key.tenant_id),
            "yes" if key.superuser else "no",
            _plain(key.label or "-"),
            f"{key.created_at:%Y-%m-%d}",
            f"{key.revoked_at:%Y-%m-%d}" if key.revoked_at else "-",
        )
    Console(width=_NEVER_CUT, highlight=False).print(table)


def _plain(name: str) -> str:
    """A name as a terminal shows it: no control characters, and nothing that the table would take for markup."""
    from rich.markup import escape

    return escape(printable(name))


# What begins with a dash is no option here: half of a pasted key can, and must not come back in click's complaint.
@command.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("key", metavar="PREFIX")
def revoke(key: str) -> None:
    """Revoke the key with this PREFIX (see `feedback keys list`).

    The start of the key as you hold it, fbk_PREFIX, or the whole key will do, too.
    """
    settings = begin()
    prefix = _prefix_in(key)

    async def work() -> bool:
        from runtime.wiring import key_store

        async with key_store(settings) as keys:
            return await keys.revoke(prefix)

    if not asyncio.run(work()):
        from domain.errors import UserError

        raise UserError(f"There is no valid key with the prefix {prefix}.", "List the keys with `feedback keys list`.")
    say(f"The key {prefix} is revoked.")


def _prefix_in(given: str) -> str:
    """The prefix in what a person gives as a key, its start, or the prefix itself; never any of the secret.

    Raises:
        UserError: there is none.
    """
    from domain.errors import UserError
    from domain.keys import MARK, PREFIX_LENGTH

    found = re.match(rf"(?:{MARK}_)?([a-z0-9]{{{PREFIX_LENGTH}}})(?![A-Za-z0-9-])", given.strip(), re.ASCII)
    if found is None:
        told = f"{given!r} is" if len(given) <= PREFIX_LENGTH else "What you gave is"
        raise UserError(
            f"{told} not a key's prefix, which has {PREFIX_LENGTH} small letters and digits.",
            "List the keys with `feedback keys list`.",
        )
    return found[1]
