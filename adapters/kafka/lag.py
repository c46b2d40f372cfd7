"""How far consumer groups are behind, as Kafka knows it; joins no group, changes nothing."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError, KafkaError

from adapters.kafka.connection import KafkaConnection, missing_topic
from adapters.kafka.groups import members_with
from domain.delivery.messages import InboundMessage
from domain.errors import UserError
from domain.lag import GroupLag, PartitionLag, part_of
from schemas.topics import REQUESTS

OLDEST_SECONDS = 10.0
"""How long the oldest unread messages may take to come; without them their age is not known."""


async def lags(
    connection: KafkaConnection, groups: Mapping[str, Collection[str]], *, where_there: Collection[str] = ()
) -> list[GroupLag]:
    """How far each group is behind on its topics.

    Args:
        connection: how to reach Kafka.
        groups: names of topics, by the group that reads them.
        where_there: those of the groups that are left out where Kafka knows no such group, or does not show it to us.

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
        return [
            await _lag(admin, consumer, group, topics)
            for group, topics in groups.items()
            if group not in where_there or await _is_there(admin, group)
        ]
    except KafkaError as error:
        raise UserError(
            f"Kafka refused to show how far its readers are ({type(error).__name__}).",
            "Check that this client may describe the groups and read the topics.",
        ) from error
    finally:
        await consumer.stop()
        await admin.close()


async def offsets_of(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """What a group has committed, on whatever it ever read; empty where there is no such group.

    Raises:
        KafkaError: Kafka does not answer or refuses.
    """
    try:
        found = await admin.list_consumer_group_offsets(group)
    except GroupCoordinatorNotAvailableError:  # a new broker makes its coordinator with the first group
        return {}
    return {place: at.offset for place, at in found.items() if at.offset >= 0}


async def places_of(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> dict[str, list[TopicPartition]]:
    """The partitions of each topic; of one that is not there none, and it is not made by asking.

    Raises:
        KafkaError: Kafka does not answer or refuses.
    """
    cluster = await consumer._client.fetch_all_metadata()  # no public way without a subscription
    return {
        topic: [TopicPartition(topic, number) for number in sorted(cluster.partitions_for_topic(topic) or ())]
        for topic in topics
    }


async def partition_lags(
    consumer: AIOKafkaConsumer, places: list[TopicPartition], committed: Mapping[TopicPartition, int]
) -> list[PartitionLag]:
    """How far the reader of these offsets is behind on these partitions.

    Raises:
        KafkaError: Kafka does not answer or refuses.
    """
    end, first = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
    return [
        PartitionLag(place.topic, place.partition, committed.get(place), first[place], end[place]) for place in places
    ]


async def _is_there(admin: AIOKafkaAdminClient, group: str) -> bool:
    try:
        return bool(await offsets_of(admin, group) or await members_with(admin, group))
    except GroupAuthorizationFailedError:
        return False


async def _lag(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, group: str, topics: Collection[str]) -> GroupLag:
    by_topic = await places_of(consumer, topics)
    for topic, its in by_topic.items():
        if not its:
            raise missing_topic(topic)
    places = [place for its in by_topic.values() for place in its]
    consumer.assign(places)
    found = await partition_lags(consumer, places, await offsets_of(admin, group))
    oldest = await _oldest(consumer, found)
    return GroupLag(
        group, await members_with(admin, group), tuple(oldest.get((one.topic, one.partition), one) for one in found)
    )


async def _oldest(consumer: AIOKafkaConsumer, found: Iterable[PartitionLag]) -> dict[tuple[str, int], PartitionLag]:
    """Those whose first message after the group's offset could be read, with what it tells."""
    told: dict[tuple[str, int], PartitionLag] = {}
    waiting = {TopicPartition(one.topic, one.partition): one for one in found if one.lag}
    for place in consumer.assignment():
        if place in waiting:
            consumer.seek(place, waiting[place].next)
            consumer.resume(place)
        else:
            consumer.pause(place)
    try:
        async with asyncio.timeout(OLDEST_SECONDS):
            while waiting:
                for place, records in (await consumer.getmany(timeout_ms=200)).items():
                    if (one := waiting.pop(place, None)) is not None:
                        told[place.topic, place.partition] = _with(one, InboundMessage.from_kafka(records[0]))
                    consumer.pause(place)
                for place in [one for one in waiting if await consumer.position(one) >= waiting[one].end]:
                    del waiting[place]  # nothing but a transaction's markers
    except TimeoutError:
        pass
    return told


def _with(one: PartitionLag, oldest: InboundMessage) -> PartitionLag:
    part = part_of(oldest.value) if one.topic == REQUESTS.name else None
    return replace(one, oldest_at=oldest.timestamp, oldest_part=part)
