"""How aiokafka's consumer begins and ends."""

import asyncio
import logging

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError, KafkaError

from domain.errors import UserError

logger = logging.getLogger(__name__)


async def started(consumer: AIOKafkaConsumer, addresses: object) -> None:
    """Connect.

    Raises:
        UserError: Kafka cannot be reached at these addresses, or refuses us.
    """
    try:
        await consumer.start()
    except KafkaConnectionError as error:
        raise UserError(
            f"Kafka at {addresses} cannot be reached.",
            "Check that it runs there and that KAFKA_BOOTSTRAP_SERVERS names its host and port.",
        ) from error
    except KafkaError as error:
        raise UserError(
            f"Kafka at {addresses} refused the consumer ({type(error).__name__}).",
            "Check the user, the password and the rights on the topic and the group.",
        ) from error


async def left(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Leave the group, and close; within so many seconds."""
    try:
        await asyncio.wait_for(consumer.stop(), seconds)
    except (KafkaError, TimeoutError) as error:
        logger.warning("Kafka did not take our leave (%s)", type(error).__name__)
