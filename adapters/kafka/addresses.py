"""`host:port`, read in one way only, and whether that is on this machine."""

import ipaddress
import re
import socket
from collections.abc import Iterable

from domain.errors import UserError

_ADDRESS = re.compile(
    r"""(?: \[ (?P<ip> [0-9a-f.]* : [0-9a-f:.]* (?: %\w+ )? ) \] | (?P<name> [^][:/@?\#%\\\s]+ ) )
        : (?P<port> [0-9]{1,5} )""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
"""Narrower than what aiokafka and faust take, who do not read all that they take alike: `::1:9092` say."""

_HIGHEST_PORT = 65_535


def read(address: str) -> tuple[str, int]:
    """Host and port, as every client of ours understands them.

    Raises:
        ValueError: it is no `host:port`, or one that no name service can be asked about.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > _HIGHEST_PORT:
        raise ValueError
    host = found["ip"] or found["name"]
    host.encode("idna")  # as the socket module will, whose complaint comes too late: `a..b`, a part of 64 characters
    return host, int(found["port"])


def written(host: str, port: int) -> str:
    """The same as `host:port`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def must_be_readable(addresses: Iterable[str]) -> None:
    """Look at what a person wrote.

    Raises:
        UserError: one of these is no `host:port`.
    """
    for number, address in enumerate(addresses, 1):
        try:
            read(address)
        except ValueError:
            raise UserError(
                f"Address {number} in KAFKA_BOOTSTRAP_SERVERS cannot be read.",  # nor shown: it may hold a password
                "Write it as host:port, several with commas between, and an IPv6 address as [::1]:9092.",
            ) from None


def beyond_loopback(addresses: Iterable[str]) -> list[str]:
    """Those of these `host:port` that lie outside of this machine, or may.

    127.0.0.0/8, ::1 and `localhost` (where it means those) are loopback. Any other name counts as outside, whatever it
    resolves to now: nothing is asked of a name server, which could answer something else a moment later.
    """
    return [address for address in addresses if not _is_inside(address)]


def _is_inside(address: str) -> bool:
    try:
        return _is_loopback(read(address)[0])
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    if host.lower().removesuffix(".") != "localhost":
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return True  # nothing can be reached there
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
