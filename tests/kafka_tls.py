"""A real Kafka that speaks TLS: the embedded one with more listeners, users and rights, and certificates of its own.

Listeners beside the embedded one's PLAINTEXT: `scram` (SASL_SSL), `mutual` (SSL that asks for a client's certificate),
`elsewhere` (SSL with a certificate for another host), `clear` (SASL_PLAINTEXT); and three that send their clients on:
`astray` (SASL_SSL) to `elsewhere`, `away` (PLAINTEXT) to another machine, `lost` (PLAINTEXT) to where nobody listens.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import trustme
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from runtime.embedded.kafka import EmbeddedKafka
from runtime.embedded.ports import HOST
from schemas.topics import Topic
from tests.services import embedded_kafka_options

USER = "feedback"
"""Who may do everything. The others may do nothing until something is granted."""
GUEST, WORKER, CONSUMER, CLERK = "guest", "worker", "consumer", "clerk"
PASSWORDS = {name: f"canary-4711-{name}" for name in (USER, GUEST, WORKER, CONSUMER, CLERK)}
KEY_PASSWORD = "canary-4711-key"

ANOTHER_MACHINE = "192.0.2.7:9092"  # of a block that is for documentation (RFC 5737)

_LISTENERS = {
    "SCRAM": "SASL_SSL",
    "MUTUAL": "SSL",
    "ELSEWHERE": "SSL",
    "CLEAR": "SASL_PLAINTEXT",
    "ASTRAY": "SASL_SSL",
    "AWAY": "PLAINTEXT",
    "LOST": "PLAINTEXT",
}
# As Kafka's protocol numbers them.
_TOPIC, _GROUP, _LITERAL, _READ, _WRITE, _ALLOW = 2, 3, 3, 3, 4, 3
_SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@dataclass(frozen=True)
class Certificates:
    """PEM files in one directory.

    Attributes:
        ca: of the authority that signed what follows.
        stranger: of another authority.
        server, elsewhere: key and certificate of a server on this machine, and of one on another.
        client, client_key, locked_key: a client's; the same key once more, encrypted with KEY_PASSWORD.
    """

    ca: Path
    stranger: Path
    server: Path
    elsewhere: Path
    client: Path
    client_key: Path
    locked_key: Path


def certificates(directory: Path) -> Certificates:
    """New ones."""
    directory.mkdir(parents=True, exist_ok=True)
    files = Certificates(*(directory / f"{name}.pem" for name in Certificates.__dataclass_fields__))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(files.ca)
    trustme.CA().cert_pem.write_to_path(files.stranger)
    for file, host in ((files.server, HOST), (files.elsewhere, "kafka.example")):
        issued = authority.issue_cert(host)
        file.write_bytes(_pkcs8(issued) + b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    client = authority.issue_cert("client@feedback.example", common_name="client")
    files.client.write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))
    files.client_key.write_bytes(_pkcs8(client))
    files.locked_key.write_bytes(_pkcs8(client, KEY_PASSWORD))
    return files


def _pkcs8(issued: trustme.LeafCert, password: str | None = None) -> bytes:
    """The only form of a key that Kafka reads."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


class TlsKafka(EmbeddedKafka):
    """See the module's docstring. `at(listener)` is host:port of a listener; `files` has the certificates."""

    port_names: ClassVar[list[str]] = [*EmbeddedKafka.port_names, *map(str.lower, _LISTENERS)]
    _format_options: ClassVar[list[str]] = [
        part
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        for name, password in PASSWORDS.items()
        for part in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
    ]

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, **embedded_kafka_options())
        self.files = certificates(directory / "certificates")

    def at(self, listener: str) -> str:
        return f"{HOST}:{self._ports[listener]}"

    async def grant(
        self, user: str, *, reads: Iterable[Topic] = (), writes: Iterable[Topic] = (), group: str = "none"
    ) -> None:
        """Let a user read and write topics, and belong to a group."""
        rights = [(_TOPIC, topic.name, _READ) for topic in reads] + [(_TOPIC, topic.name, _WRITE) for topic in writes]
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            for kind, name, operation in [*rights, (_GROUP, group, _READ)]:
                allowed = CreateAclsRequest(kind, name, _LITERAL, f"User:{user}", "*", operation, _ALLOW)
                answer = await admin._send_to_controller(allowed)  # aiokafka has no public way
                assert answer.creation_responses[0][0] == 0, answer
        finally:
            await admin.close()

    def _write_properties(self, data: Path) -> None:
        super()._write_properties(data)
        listening = {"BROKER": "broker", "CONTROLLER": "controller"} | {name: name.lower() for name in _LISTENERS}
        advertised = {name: self.at(port) for name, port in listening.items() if name != "CONTROLLER"}
        advertised |= {"ASTRAY": self.at("elsewhere"), "AWAY": ANOTHER_MACHINE, "LOST": f"{HOST}:1"}
        protocols = {"BROKER": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"} | _LISTENERS
        lines = [
            "listeners=" + ",".join(f"{name}://{self.at(port)}" for name, port in listening.items()),
            "advertised.listeners=" + ",".join(f"{name}://{address}" for name, address in advertised.items()),
            "listener.security.protocol.map=" + ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            f"super.users=User:ANONYMOUS;User:{USER};User:client",
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={self.files.server}",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={self.files.ca}",
            "ssl.principal.mapping.rules=RULE:.*CN=([^,]+).*/$1/,DEFAULT",
            "listener.name.mutual.ssl.client.auth=required",
            "listener.name.elsewhere.ssl.keystore.type=PEM",
            f"listener.name.elsewhere.ssl.keystore.location={self.files.elsewhere}",
        ]
        for name in ("scram", "clear", "astray"):
            prefix = f"listener.name.{name}"
            lines += [
                f"{prefix}.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
                f"{prefix}.scram-sha-256.sasl.jaas.config={_SCRAM_LOGIN}",
                f"{prefix}.scram-sha-512.sasl.jaas.config={_SCRAM_LOGIN}",
                f'{prefix}.plain.sasl.jaas.config={_PLAIN_LOGIN} user_{USER}="{PASSWORDS[USER]}";',
            ]
        with self._properties.open("a") as file:  # where a property stands twice, the later one counts
            file.write("\n".join(lines) + "\n")
