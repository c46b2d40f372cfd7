"""How to reach Kafka: one value that every client of ours is made from."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import BrokerNotAvailableError, KafkaError

from adapters.kafka.addresses import beyond_loopback, must_be_readable, written
from adapters.kafka.diagnosis import Listening, explained
from adapters.kafka.security import KafkaSecurity
from domain.errors import UserError

TOPIC_SECONDS, LOOK_AGAIN_SECONDS = 2.0, 0.2


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where Kafka is, and how to speak with it.

    Attributes:
        bootstrap_servers: `host:port`, several separated by commas.
        security: TLS and SASL.
        plaintext_anywhere: whether what is not encrypted may leave this machine. Our processes say what
            KAFKA_ALLOW_PLAINTEXT says, and that is no unless it is set.

    Raises:
        UserError: an address is none; or it is outside of this machine, the connection would not be encrypted, and may
            not be so.
    """

    bootstrap_servers: str
    security: KafkaSecurity = field(default_factory=KafkaSecurity)
    plaintext_anywhere: bool = True

    def __post_init__(self) -> None:
        must_be_readable(self.addresses())
        self._refuse_plaintext(self.addresses(), "names")

    def client_options(self) -> dict[str, Any]:
        """What every aiokafka client takes. TLS and SASL belong here, and nowhere else."""
        return {"bootstrap_servers": self.addresses(), **self.security.client_options()}

    def addresses(self) -> list[str]:
        """The bootstrap servers, one by one."""
        return [address.strip() for address in self.bootstrap_servers.split(",") if address.strip()]

    async def check(self, seconds: float = 5.0, topic: str | None = None) -> None:
        """Return once Kafka answers, one of the brokers that it names lets us in, and it shows the topic, if one is
        given.

        Raises:
            UserError: it does not within `seconds`, the address is none, Kafka refuses us or we it, or the topic is not
                there or not for us.
        """
        client = AIOKafkaClient(**self.client_options())
        with Listening() as heard:
            try:
                async with asyncio.timeout(seconds):
                    await client.bootstrap()
                    await self._reach_a_broker(client)
                    if topic is not None:
                        await _until_shown(client, topic)
            except (KafkaError, OSError, TimeoutError, ValueError) as error:
                raise await self._said(client, [*heard.errors, error]) from None
            finally:
                await client.close()

    async def _reach_a_broker(self, client: AIOKafkaClient) -> None:
        """Kafka sends its clients on, to the addresses that its brokers advertise: those count, and are checked, too.

        Raises:
            UserError: one of them is outside of this machine, and may not be.
            KafkaError: none of them can be reached.
        """
        self._refuse_plaintext(_advertised(client), "sends us on to")
        brokers = client.cluster.brokers()
        for broker in brokers:
            if await client.ready(broker.nodeId):
                return
        if brokers:
            raise BrokerNotAvailableError

    async def _said(self, client: AIOKafkaClient, errors: list[BaseException]) -> UserError:
        led_on = _advertised(client)
        found = await explained(errors, self.security, led_on or self.addresses())
        if found is not None:
            return found
        if led_on:
            return UserError(
                f"Kafka answers at {self.bootstrap_servers}, but the brokers that it names cannot be reached: "
                f"{', '.join(led_on)}.",
                "Check the brokers' advertised.listeners: each must be an address that can be reached from here.",
            )
        return UserError(
            f"Kafka does not answer at {self.bootstrap_servers}.",
            "Check KAFKA_BOOTSTRAP_SERVERS (host:port) and that Kafka runs. Unset, `feedback up` starts one.",
        )

    def _refuse_plaintext(self, addresses: Iterable[str], verb: str) -> None:
        if self.security.encrypted or self.plaintext_anywhere:
            return
        if outside := beyond_loopback(addresses):
            subject = "KAFKA_BOOTSTRAP_SERVERS" if verb == "names" else f"Kafka at {self.bootstrap_servers}"
            raise UserError(
                f"{subject} {verb} {', '.join(outside)}, outside of this machine, and "
                f"KAFKA_SECURITY_PROTOCOL={self.security.protocol} encrypts nothing.",
                "Set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL or, where the network between is private, "
                "KAFKA_ALLOW_PLAINTEXT=true.",
            )


def _advertised(client: AIOKafkaClient) -> list[str]:
    """The addresses that Kafka gave for its brokers, if it answered."""
    return sorted(written(broker.host, broker.port) for broker in client.cluster.brokers())


async def _until_shown(client: AIOKafkaClient, topic: str) -> None:
    """Return once Kafka shows a topic; a broker that has just started does not show its topics yet."""
    deadline = asyncio.get_running_loop().time() + TOPIC_SECONDS
    while topic not in (await client.fetch_all_metadata()).topics():
        if asyncio.get_running_loop().time() > deadline:
            raise missing_topic(topic)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


def missing_topic(topic: str) -> UserError:
    """What to say of a topic that is not there, or not for us."""
    return UserError(
        f"The topic {topic} does not exist, or this client may not read it.",
        "Create the topics with `feedback topics create`, or have the rights to describe and read them granted.",
    )
