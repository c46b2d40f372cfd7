"""How far consumer groups are behind, as Kafka knows it; joins no group, changes nothing."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from adapters.kafka.connection import KafkaConnection, missing_topic
from adapters.kafka.groups import members_with
from domain.delivery.messages import InboundMessage
from domain.errors import UserError
from domain.lag import GroupLag, PartitionLag

OLDEST_SECONDS = 10.0
"""How long the oldest unread messages may take to come; without them their age is not known."""


async def lags(connection: KafkaConnection, groups: Mapping[str, Collection[str]]) -> list[GroupLag]:
    """How far each group is behind on its topics.

    Args:
        connection: how to reach Kafka.
        groups: names of topics, by the group that reads them.

    Raises:
        UserError: Kafka does not answer or refuses, or a topic is not there.
    """
    await connection.check()
    admin = AIOKafkaAdminClient(**connection.client_options())
    consumer = AIOKafkaConsumer(
        **connection.client_options(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=64 * 1024,  # one message of each is enough; Kafka sends a larger one all the same
    )
    try:
        await admin.start()
        await consumer.start()
        return [await _lag(admin, consumer, group, topics) for group, topics in groups.items()]
    except KafkaError as error:
        raise UserError(
            f"Kafka refused to show how far its readers are ({type(error).__name__}).",
            "Check that this client may describe the groups and read the topics.",
        ) from error
    finally:
        await consumer.stop()
        await admin.close()


async def _lag(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, group: str, topics: Collection[str]) -> GroupLag:
    places = await _partitions(consumer, topics)
    committed = await _committed(admin, group, places)
    first, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    found = [
        PartitionLag(place.topic, place.partition, committed.get(place), first[place], end[place]) for place in places
    ]
    oldest = await _oldest(consumer, found)
    return GroupLag(
        group,
        await members_with(admin, group),
        tuple(replace(one, oldest_at=oldest.get((one.topic, one.partition))) for one in found),
    )


async def _partitions(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> list[TopicPartition]:
    cluster = await consumer._client.fetch_all_metadata()  # no public way without a subscription
    found = []
    for topic in topics:
        numbers = cluster.partitions_for_topic(topic)
        if not numbers:
            raise missing_topic(topic)
        found += [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(found)
    return found


async def _committed(admin: AIOKafkaAdminClient, group: str, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    try:
        found = await admin.list_consumer_group_offsets(group, partitions=places)
    except GroupCoordinatorNotAvailableError:  # a new broker makes its coordinator with the first group
        return {}
    return {place: at.offset for place, at in found.items() if at.offset >= 0}


async def _oldest(consumer: AIOKafkaConsumer, found: Iterable[PartitionLag]) -> dict[tuple[str, int], datetime]:
    """When the first message after each group's offset was sent, where that can be told."""
    ages: dict[tuple[str, int], datetime] = {}
    behind = {TopicPartition(one.topic, one.partition): one for one in found if one.lag}
    for place in consumer.assignment():
        if place in behind:
            consumer.seek(place, behind[place].next)
            consumer.resume(place)
        else:
            consumer.pause(place)
    try:
        async with asyncio.timeout(OLDEST_SECONDS):
            while behind:
                for place, records in (await consumer.getmany(timeout_ms=200)).items():
                    sent_at = InboundMessage.from_kafka(records[0]).timestamp
                    if sent_at is not None and place in behind:
                        ages[place.topic, place.partition] = sent_at
                    behind.pop(place, None)
                    consumer.pause(place)
                for place in [one for one in behind if await consumer.position(one) >= behind[one].end]:
                    del behind[place]  # nothing but a transaction's markers
    except TimeoutError:
        pass
    return ages
