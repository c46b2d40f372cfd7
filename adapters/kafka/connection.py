"""How to reach Kafka: one value that every client of ours is made from."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from domain.errors import UserError

TOPIC_SECONDS, LOOK_AGAIN_SECONDS = 2.0, 0.2


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """An address of Kafka, and later the way to prove who we are.

    Attributes:
        bootstrap_servers: `host:port`, several separated by commas.
    """

    bootstrap_servers: str

    def client_options(self) -> dict[str, Any]:
        """What every aiokafka client takes. TLS and SASL belong here, and nowhere else."""
        return {"bootstrap_servers": self.addresses()}

    def addresses(self) -> list[str]:
        """The bootstrap servers, one by one."""
        return [address.strip() for address in self.bootstrap_servers.split(",") if address.strip()]

    async def check(self, seconds: float = 5.0, topic: str | None = None) -> None:
        """Return once Kafka answers, and shows the topic, if one is given.

        Raises:
            UserError: it does not within `seconds`, the address is none, or the topic is not there or not for us.
        """
        client = AIOKafkaClient(**self.client_options())
        quiet = _Quiet()
        logging.getLogger("aiokafka").addFilter(quiet)
        try:
            async with asyncio.timeout(seconds):
                await client.bootstrap()
                if topic is not None:
                    await _until_shown(client, topic)
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            raise UserError(
                f"Kafka does not answer at {self.bootstrap_servers}.",
                "Check KAFKA_BOOTSTRAP_SERVERS (host:port) and that Kafka runs; `feedback up` starts one.",
            ) from error
        finally:
            logging.getLogger("aiokafka").removeFilter(quiet)
            await client.close()


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


class _Quiet(logging.Filter):
    """Keeps aiokafka from logging what `check` says in one sentence."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - logging's signature
        return False
