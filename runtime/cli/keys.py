"""`feedback keys`."""

import asyncio

import click

from runtime.cli.options import begin, say


@click.group(short_help="Create, list and revoke API keys.")
def command() -> None:
    """Bearer keys of the read API."""


@command.command()
@click.option("--tenant", required=True, help="Whose usage the key reads.")
@click.option("--superuser", is_flag=True, help="Let the key read every tenant's usage.")
@click.option("--label", help="A name that helps you to recognise the key later.")
def create(tenant: str, superuser: bool, label: str | None) -> None:
    """Make a key and show it: this once, it is stored only as a hash."""
    settings = begin()

    async def work() -> str:
        from runtime.wiring import key_store

        async with key_store(settings) as keys:
            return (await keys.create(tenant, superuser=superuser, label=label)).text

    say(asyncio.run(work()))


@command.command("list")
def list_keys() -> None:
    """Show the keys: prefix, tenant, rights and age, never the key."""
    settings = begin()
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from domain.keys import StoredKey

    async def work() -> list[StoredKey]:
        from runtime.wiring import key_store

        async with key_store(settings) as keys:
            return list(await keys.list())

    table = Table(pad_edge=False)
    table.add_column("prefix", no_wrap=True, min_width=12)  # to be copied into `keys revoke`
    for column in ("tenant", "superuser", "label", "created", "revoked"):
        table.add_column(column, overflow="fold")
    for key in asyncio.run(work()):
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "-"
        table.add_row(
            key.prefix,
            escape(key.tenant_id),
            "yes" if key.superuser else "no",
            escape(key.label or "-"),
            f"{key.created_at:%Y-%m-%d %H:%M}",
            revoked,
        )
    Console().print(table)


@command.command()
@click.argument("prefix")
def revoke(prefix: str) -> None:
    """Revoke the key with this PREFIX (see `feedback keys list`)."""
    settings = begin()

    async def work() -> bool:
        from runtime.wiring import key_store

        async with key_store(settings) as keys:
            return await keys.revoke(prefix)

    if not asyncio.run(work()):
        from domain.errors import UserError

        raise UserError(f"There is no valid key with the prefix {prefix}.", "List the keys with `feedback keys list`.")
    say(f"The key {prefix} is revoked.")
