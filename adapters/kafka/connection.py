"""How to reach Kafka: one value that every client of ours is made from."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from domain.errors import UserError


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

    async def check(self, seconds: float = 5.0) -> None:
        """Return once Kafka answers.

        Raises:
            UserError: it does not within `seconds`, or the address is none.
        """
        client = AIOKafkaClient(**self.client_options())
        quiet = _Quiet()
        logging.getLogger("aiokafka").addFilter(quiet)
        try:
            async with asyncio.timeout(seconds):
                await client.bootstrap()
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            raise UserError(
                f"Kafka does not answer at {self.bootstrap_servers}.",
                "Check KAFKA_BOOTSTRAP_SERVERS (host:port) and that Kafka runs; `feedback up` starts one.",
            ) from error
        finally:
            logging.getLogger("aiokafka").removeFilter(quiet)
            await client.close()


class _Quiet(logging.Filter):
    """Keeps aiokafka from logging what `check` says in one sentence."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - logging's signature
        return False
