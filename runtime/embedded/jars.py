"""Kafka's libraries: pinned by hash in `kafka_jars.txt`, fetched once with jgo, then found without any network.

The cache holds one directory per set of pins with a manifest in it; a start that finds it intact asks nobody.
After a change of `COORDINATES`, write the pins anew: `python -m runtime.embedded.jars > kafka_jars.txt`.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from domain.errors import UserError
from runtime.embedded.errors import (
    DirectoryNotWritableError,
    JarCorruptError,
    JarsUnavailableError,
    KafkaHomeError,
    PackageMissingError,
)

COORDINATES = ("org.apache.kafka:kafka_2.13:4.3.0", "org.slf4j:slf4j-simple:1.7.36")
PINS = Path(__file__).with_name("kafka_jars.txt")
MANIFEST = "manifest.json"
_PARALLEL_DOWNLOADS = 8
_TIMEOUT = 20  # seconds without a byte from the repository

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pin:
    """One library.

    Attributes:
        sha256: of the jar, in hex.
        coordinate: Maven's group:artifact:version.
    """

    sha256: str
    coordinate: str


def default_cache_directory() -> Path:
    """Where jars are kept unless a setting says otherwise."""
    return Path.home() / ".cache" / "feedback-streams"


def from_distribution(home: Path) -> list[Path]:
    """The class path of an unpacked Kafka distribution.

    Raises:
        KafkaHomeError: there is none.
    """
    jars = sorted((home / "libs").glob("*.jar"))
    if not any(jar.name.startswith("kafka_") for jar in jars):
        raise KafkaHomeError(home)
    return jars


async def from_cache_or_repository(cache: Path, repository: str | None) -> list[Path]:
    """The class path of the pinned libraries; fetches them where the cache does not hold all of them.

    Args:
        cache: our cache directory; made if need be.
        repository: the address of a Maven repository; None for jgo's default, Maven Central.

    Raises:
        JarsUnavailableError: the repository did not give them.
        JarCorruptError: it gave something else.
        DirectoryNotWritableError: the cache cannot be written.
        PackageMissingError: jgo is not installed.
    """
    text = PINS.read_text()
    home = cache / f"kafka-jars-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if (found := _intact(home)) is not None:
        return found
    pins = parse_pins(text)
    staging = _staging(cache)
    try:
        _log.info("fetching Kafka's %d libraries, once", len(pins))
        await _fetch_all(pins, staging, repository)
        _publish(staging, home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    found = _intact(home)
    if found is None:
        raise DirectoryNotWritableError(home, "what was stored is not there", setting="FEEDBACK_CACHE_DIR")
    return found


def parse_pins(text: str) -> list[Pin]:
    """The pins in the lines `sha256 coordinate`; lines that begin with # are comments."""
    rows = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [Pin(sha256, coordinate) for sha256, coordinate in rows]


def _intact(home: Path) -> list[Path] | None:
    """The jars that the manifest lists, if all of them are there at their size."""
    try:
        sizes: dict[str, int] = json.loads((home / MANIFEST).read_text())
        intact = all((home / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return None
    return [home / name for name in sizes] if intact else None


def _staging(cache: Path) -> Path:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".fetching-", dir=cache))
    except OSError as error:
        raise DirectoryNotWritableError(cache, str(error.strerror).lower(), setting="FEEDBACK_CACHE_DIR") from error


async def _fetch_all(pins: list[Pin], staging: Path, repository: str | None) -> None:
    slots = asyncio.Semaphore(_PARALLEL_DOWNLOADS)
    sizes: dict[str, int] = {}

    failed = asyncio.Event()

    async def fetch(pin: Pin) -> None:
        async with slots:
            if failed.is_set():
                return
            try:
                jar = await asyncio.to_thread(_fetch, pin, staging, repository)
            except UserError:
                failed.set()
                raise
        sizes[jar.name] = jar.stat().st_size

    # All threads end before the caller removes the folder that they write to: a cancelled task would leave its thread.
    ends = await asyncio.gather(*(fetch(pin) for pin in pins), return_exceptions=True)
    for error in ends:
        if error is not None:
            raise error
    shutil.rmtree(staging / "m2")
    (staging / MANIFEST).write_text(json.dumps(dict(sorted(sizes.items())), indent=0))


def _fetch(pin: Pin, staging: Path, repository: str | None) -> Path:
    """Download one jar into `staging`, if it is the pinned one."""
    try:
        from jgo.maven import MavenContext  # here, because it is needed once per machine and slow to import
    except ImportError as error:
        raise PackageMissingError("jgo", "Kafka") from error
    remotes = None if repository is None else {"mirror": repository.rstrip("/")}
    try:
        context = MavenContext(repo_cache=staging / "m2", local_repos=[], remote_repos=remotes, timeout=_TIMEOUT)
        jar = context.create_dependency(pin.coordinate).artifact.resolve()
        # jgo only warns when a checksum differs, and compares against what the same server says.
        content = jar.read_bytes()
        if hashlib.sha256(content).hexdigest() != pin.sha256:
            raise JarCorruptError(jar.name, repository or "Maven Central")
        return jar.rename(staging / jar.name)
    except (OSError, RuntimeError) as error:  # what requests and jgo raise
        cause = "a file is not there" if type(error) is RuntimeError else type(error).__name__
        raise JarsUnavailableError(repository or "Maven Central", cause) from error


def _publish(staging: Path, home: Path) -> None:
    """Put a complete directory in its place at once; a parallel start that was faster has put the same there."""
    if home.exists() and _intact(home) is None:
        shutil.rmtree(home)
    staging.chmod(0o755)
    with contextlib.suppress(OSError):
        staging.rename(home)


def resolve_pins() -> list[Pin]:
    """Resolve `COORDINATES` with everything that they need at run time, and hash the jars. Takes half a minute."""
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory() as directory:
        context = MavenContext(repo_cache=Path(directory), local_repos=[])
        wanted, needed = context.resolver.resolve([context.create_dependency(name) for name in COORDINATES])
        artifacts = [dependency.artifact for dependency in (*wanted, *needed)]
        return [
            Pin(
                hashlib.sha256(artifact.resolve().read_bytes()).hexdigest(),
                f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}",
            )
            for artifact in artifacts
        ]


if __name__ == "__main__":
    sys.stdout.write(
        "# Kafka's libraries: SHA-256 and Maven coordinate. Written by `python -m runtime.embedded.jars`.\n"
    )
    sys.stdout.writelines(f"{pin.sha256} {pin.coordinate}\n" for pin in resolve_pins())
