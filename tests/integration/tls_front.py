"""TLS before a real PostgreSQL: the embedded build has none of its own, so this ends it, as a cloud's gateway does.

It answers PostgreSQL's SSLRequest ("SSL Session Encryption" in its manual), then passes on whatever is said.
"""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import trustme

_SSL_REQUEST = struct.pack("!ll", 8, 80877103)


@dataclass
class TLSFront:
    """A running one, and what a client needs.

    Attributes:
        url: of a superuser, without a word about encryption; its host is `localhost`, which the certificate is for.
        authority: the file of the authority that the certificate is of.
        stranger: the file of another one.
        cert, key: files of a client's certificate of the authority.
        taken: of each connection that logged in over it, whether it was encrypted, and the client certificate's name.
    """

    url: str
    authority: str
    stranger: str
    cert: str
    key: str
    taken: list[tuple[bool, str | None]] = field(default_factory=list)

    def by_address(self) -> str:
        """The same server under its address, for which it has no certificate."""
        return with_netloc(self.url, host="127.0.0.1")


@asynccontextmanager
async def tls_front(postgres_url: str, directory: Path) -> AsyncIterator[TLSFront]:
    """One before this server; it and its connections end with the block."""
    authority, stranger = trustme.CA(), trustme.CA()
    client = authority.issue_cert("client.example", common_name="feedback-client")
    files = {name: directory / f"{name}.pem" for name in ("authority", "stranger", "cert", "key")}
    authority.cert_pem.write_to_path(str(files["authority"]))
    stranger.cert_pem.write_to_path(str(files["stranger"]))
    client.cert_chain_pems[0].write_to_path(str(files["cert"]))
    client.private_key_pem.write_to_path(str(files["key"]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    front = TLSFront("", **{name: str(file) for name, file in files.items()})
    target = urlsplit(postgres_url)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            first = await reader.readexactly(8)
            if first == _SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                first = await reader.readexactly(8)
            front.taken.append((writer.get_extra_info("ssl_object") is not None, _name(writer)))
            await _pass_on(first, reader, writer, target.hostname, target.port)
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    front.url = urlunsplit(
        target._replace(netloc=f"{target.netloc.rpartition('@')[0]}@localhost:{server.sockets[0].getsockname()[1]}")
    )
    try:
        yield front
    finally:
        server.close()


def _name(writer: asyncio.StreamWriter) -> str | None:
    certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
    found = {key: value for part in certificate.get("subject", ()) for key, value in part}
    return found.get("commonName")


async def _pass_on(
    first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str | None, port: int | None
) -> None:
    there, to_server = await asyncio.open_connection(host, port)
    to_server.write(first)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError, ssl.SSLError):
            while piece := await source.read(65_536):
                sink.write(piece)
                await sink.drain()
        sink.close()

    await asyncio.gather(pump(reader, to_server), pump(there, writer))


def with_netloc(url: str, host: str | None = None, user: str | None = None, password: str | None = None) -> str:
    """A database's URL with another host, user or password."""
    parts = urlsplit(url)
    log_in = f"{user or parts.username}:{password or parts.password}"
    return urlunsplit(parts._replace(netloc=f"{log_in}@{host or parts.hostname}:{parts.port}"))
