"""Topics: created by an explicit step from the registry, never by sending to them."""

import asyncio
import logging
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from adapters.kafka.connection import KafkaConnection
from domain.errors import UserError
from schemas.topics import TOPICS, Topic

log = logging.getLogger(__name__)

VISIBLE_SECONDS = 30.0

_MOST_MS = 10**12
"""Three decades: longer is as long."""


async def ensure_topics(connection: KafkaConnection, partitions: int, replication_factor: int) -> tuple[str, ...]:
    """Create the topics of the registry that do not exist; return their names, those that others made left out.

    It may run many times, and at the same moment in several processes. A topic that exists is left as it is; where it
    has fewer partitions than asked for, or another clean-up policy than the registry says, a warning is logged.

    Raises:
        UserError: Kafka does not answer, or refuses to create a topic.
    """
    await connection.check()
    client = AIOKafkaAdminClient(**connection.client_options())
    try:
        await client.start()
        existing = set(await client.list_topics())
        missing = [topic for topic in TOPICS if topic.name not in existing]
        created = await _create(client, missing, partitions, replication_factor) if missing else ()
        await _until_visible(client)
        await _warn(client, [topic for topic in TOPICS if topic.name not in created], partitions)
    except KafkaError as error:
        raise UserError(
            f"Kafka refused to show or create the topics ({type(error).__name__}).",
            "Check that this client may describe and create topics, or create them yourself as the README lists them.",
        ) from error
    finally:
        await client.close()
    return created


async def _create(
    client: AIOKafkaAdminClient, topics: list[Topic], partitions: int, replication_factor: int
) -> tuple[str, ...]:
    response = await client.create_topics(
        [NewTopic(topic.name, partitions, replication_factor, topic_configs=_settings(topic)) for topic in topics]
    )
    created = []
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:
            raise UserError(
                f"Kafka refused to create the topic {name} ({error.__name__}).",
                "Check KAFKA_TOPIC_PARTITIONS and KAFKA_REPLICATION_FACTOR (at most one replica per broker), "
                "and that this client may create topics.",
            )
    return tuple(created)


def _settings(topic: Topic) -> dict[str, str]:
    return {"cleanup.policy": _policy(topic), **dict(topic.config)}


def _policy(topic: Topic) -> str:
    return "compact" if topic.compacted else "delete"


async def _until_visible(client: AIOKafkaAdminClient) -> None:
    """A broker answers that a topic was created before every broker knows its leaders."""
    names = [topic.name for topic in TOPICS]
    try:
        async with asyncio.timeout(VISIBLE_SECONDS):
            while True:
                if all(_ready(described) for described in await client.describe_topics(names)):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise UserError(
            "The topics were created, but Kafka does not show them.", "Check that all brokers are running."
        ) from error


def _ready(described: dict[str, object]) -> bool:
    partitions = described["partitions"]
    return (
        described["error_code"] == 0
        and isinstance(partitions, list)
        and bool(partitions)
        and all(partition["error_code"] == 0 and partition["leader"] >= 0 for partition in partitions)
    )


async def _warn(client: AIOKafkaAdminClient, topics: list[Topic], partitions: int) -> None:
    """Say where topics that were there before differ from what we would have made."""
    if not topics:
        return
    names = [topic.name for topic in topics]
    for described in await client.describe_topics(names):
        if len(described["partitions"]) < partitions:
            told = (described["topic"], len(described["partitions"]), partitions)
            log.warning("the topic %s has %d partitions, fewer than %d", *told)
    policies = await _configured(client, names, "cleanup.policy")
    for topic in topics:
        if policies.get(topic.name, _policy(topic)) != _policy(topic):
            log.warning(
                "the topic %s has the clean-up policy %s; it should be %s",
                topic.name,
                policies[topic.name],
                _policy(topic),
            )


async def retention_of(connection: KafkaConnection, topic: str) -> timedelta | None:
    """How long a topic keeps what stands on it; None: for ever, or Kafka does not tell us."""
    client = AIOKafkaAdminClient(**connection.client_options())
    try:
        await client.start()
        found = (await _configured(client, [topic], "retention.ms")).get(topic)
        refusal = "" if found is not None else "no right to describe its configuration"
    except KafkaError as error:
        found, refusal = None, type(error).__name__
    finally:
        await client.close()
    if found is None:
        log.warning("How long the topic %s keeps its messages is not told (%s).", topic, refusal)
        return None
    return timedelta(milliseconds=min(int(found), _MOST_MS)) if int(found) >= 0 else None


async def _configured(client: AIOKafkaAdminClient, names: list[str], setting: str) -> dict[str, str]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, {setting: None}) for name in names]
    found: dict[str, str] = {}
    for response in await client.describe_configs(resources):
        for code, _, _, name, entries, *_ in response.resources:
            if code == 0:
                found.update((name, entry[1]) for entry in entries if entry[0] == setting)
    return found
