"""A disk that can be filled under the table of calls: a real one where we may mount it, else a refusal that says so."""

import asyncio
import contextlib
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import asyncpg

from tests.chaos.stage import Stage

_SIZE = "16m"
_REFUSE = """CREATE FUNCTION pretend_full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"""
_TRIGGER = "CREATE TRIGGER full_disk BEFORE INSERT ON llm_calls FOR EACH STATEMENT EXECUTE FUNCTION pretend_full()"


class Disk(Protocol):
    """What the table stands on."""

    async def fill(self) -> None:
        """From here on there is no room for another page of rows."""

    async def free(self) -> None:
        """There is room again."""


@asynccontextmanager
async def a_small_disk(stage: Stage) -> AsyncIterator[Disk]:
    """The table `llm_calls` on a file system in memory of a few MiB; moved back at the end.

    Where mounting is not allowed, a trigger refuses rows with the server's own code for a full disk (SQLSTATE 53100).
    """
    connection = await asyncpg.connect(stage.database)
    directory = stage.ground.postgres.directory / f"small-disk-{secrets.token_hex(4)}"
    try:
        if await asyncio.to_thread(_mount, directory, stage.ground.postgres.directory / "data"):
            async with _tablespace(connection, directory) as disk:
                yield disk
        else:
            yield _Pretended(connection)
    finally:
        await connection.close()


def _mount(directory: Path, owned_as: Path) -> bool:
    """Whether a small file system stands at this path now, which the server may use."""
    directory.mkdir()
    owner = owned_as.stat()
    options = f"size={_SIZE},mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    if _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)):
        return True
    directory.rmdir()
    return False


def _unmount(directory: Path) -> None:
    _run("umount", "--lazy", str(directory))
    directory.rmdir()


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


@asynccontextmanager
async def _tablespace(connection: asyncpg.Connection, directory: Path) -> AsyncIterator[Disk]:
    name = directory.name.replace("-", "_")
    disk = _Real(directory / "ballast")
    try:
        await connection.execute(f"CREATE TABLESPACE {name} LOCATION '{directory}'")
        await _move_to(connection, name)
        yield disk
    finally:
        await disk.free()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await _move_to(connection, "pg_default")
            await connection.execute(f"DROP TABLESPACE {name}")
        await asyncio.to_thread(_unmount, directory)


async def _move_to(connection: asyncpg.Connection, tablespace: str) -> None:
    """The table with its months, in which alone there are rows."""
    for name in await connection.fetch("SELECT relid::regclass::text FROM pg_partition_tree('llm_calls')"):
        await connection.execute(f"ALTER TABLE {name[0]} SET TABLESPACE {tablespace}")


class _Real:
    def __init__(self, ballast: Path) -> None:
        self._ballast = ballast

    async def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    async def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


class _Pretended:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def fill(self) -> None:
        await self._connection.execute(_REFUSE)
        await self._connection.execute(_TRIGGER)

    async def free(self) -> None:
        await self._connection.execute("DROP FUNCTION pretend_full CASCADE")
