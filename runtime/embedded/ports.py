"""Free local ports, remembered, so that a server comes back at the address that its clients know."""

import json
import secrets
import socket
from pathlib import Path

from runtime.embedded.errors import NoFreePortError

HOST = "127.0.0.1"
# Below the ports of outgoing connections, one of which could come between our look and the server's bind.
FIRST, LAST = 20_000, 32_000
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections of a predecessor that wait for their end do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def choose(taken: set[int]) -> int:
    """A free port that is not among `taken`.

    Raises:
        NoFreePortError: a few hundred tries found none.
    """
    for _ in range(_TRIES):
        port = FIRST + secrets.randbelow(LAST - FIRST)
        if port not in taken and is_free(port):
            return port
    raise NoFreePortError(FIRST, LAST)


def remembered(file: Path, names: list[str]) -> dict[str, int]:
    """A port per name: those that `file` remembers where they are free, else new ones, which it then remembers.

    Raises:
        NoFreePortError: a new one was needed and none was found.
    """
    known = _read(file)
    ports: dict[str, int] = {}
    for name in names:
        before = known.get(name)
        usable = isinstance(before, int) and before not in ports.values() and is_free(before)
        ports[name] = before if usable and isinstance(before, int) else choose(set(ports.values()))
    if ports != known:
        file.write_text(json.dumps(ports))
    return ports


def _read(file: Path) -> dict[str, object]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
