"""The file that tells other programs where the running system is."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.system.system import System


@contextmanager
def env_file(directory: Path, system: System) -> Iterator[None]:
    """`directory`/env with KEY=VALUE lines, readable by its owner only, for as long as the system runs.

    A shell takes them with `set -a; source FILE; set +a`. They hold no `export`: other programs read them, too.
    """
    secret = system.settings.database_url
    values = {
        "KAFKA_BOOTSTRAP_SERVERS": system.settings.kafka_bootstrap_servers or "",
        "DATABASE_URL": secret.get_secret_value() if secret else "",
        "FEEDBACK_API_URL": system.api_url,
        "FEEDBACK_API_KEY": system.api_key,
    }
    file = directory / "env"
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items() if value))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
