"""Who is in a consumer group: for those who must know before they join it, or from outside."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from adapters.kafka.connection import KafkaConnection
from domain.errors import UserError

_MEMBERS = 5
"""Where a described group has its members (aiokafka gives Kafka's answer as a tuple)."""


async def members_of(connection: KafkaConnection, group: str) -> int:
    """How many members the group has now; 0 where there is no such group.

    Raises:
        UserError: Kafka does not answer, or does not let us look.
    """
    await connection.check()
    client = AIOKafkaAdminClient(**connection.client_options())
    try:
        await client.start()
        return await members_with(client, group)
    except KafkaError as error:
        raise UserError(
            f"Kafka refused to show the group {group} ({type(error).__name__}).",
            "Check that this client may describe groups.",
        ) from error
    finally:
        await client.close()


async def members_with(client: AIOKafkaAdminClient, group: str) -> int:
    """The same, over a client that is started.

    Raises:
        KafkaError: Kafka does not let us look.
    """
    try:
        (answer,) = await client.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:  # a new broker makes its coordinator with the first group
        return 0
    return len(answer.groups[0][_MEMBERS])
