"""`feedback lag` on a real broker: groups that have an offset, that have none, and that retention overtook."""

import json
import secrets
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.lag import lags
from schemas.topics import LLM_CALLS, READ_BESIDE_CALLS, RECORDS, REQUESTS, RESULTS
from tests.integration.system_support import PARTITIONS, empty_topics, publishing

SEND_AT = 1_600_000_000_000
PART = b'{"part": {"number": 2, "of": 3}}'
FIELDS = ("topic", "partition", "committed", "lag", "deleted_unread")


@dataclass(frozen=True)
class Scene:
    """Five records on partition 0, of which the group has read one and the first three are gone; two on partition 1."""

    bootstrap: str
    group: str
    first: int

    @property
    def judges(self) -> str:
        """A group that has an offset."""
        return f"{self.group}-judges"


async def commit(bootstrap: str, group: str, offsets: dict[TopicPartition, int]) -> None:
    """As a member of the group that has come so far, and left."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)


@pytest.fixture(scope="module")
async def scene(system_broker):
    await empty_topics(system_broker)
    group = f"lag-{secrets.token_hex(4)}"
    async with publishing(system_broker) as producer:
        places = [
            await producer.send_and_wait(RECORDS.name, b"x", partition=partition, timestamp_ms=SEND_AT)
            for partition in (0, 0, 0, 0, 0, 1, 1)
        ]
        await producer.send_and_wait(LLM_CALLS.name, b"x" * 200_000, partition=2, timestamp_ms=SEND_AT)
        await producer.send_and_wait(REQUESTS.name, PART, partition=3, timestamp_ms=SEND_AT)
    place, first = TopicPartition(RECORDS.name, 0), places[0].offset
    await commit(system_broker, group, {place: first + 1})
    await commit(system_broker, f"{group}-judges", {TopicPartition(RESULTS[0].name, 0): 0})
    admin = AIOKafkaAdminClient(bootstrap_servers=system_broker)
    await admin.start()
    await admin.delete_records({place: RecordsToDelete(before_offset=first + 3)})
    await admin.close()
    return Scene(system_broker, group, first)


def test_what_is_unread_and_what_was_deleted_unread(scene, feedback_says):
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": scene.bootstrap,
        "WORKER_GROUP": scene.group,
        "CONSUMER_GROUP": f"{scene.group}-calls",
    }
    said = feedback_says("lag", "--json", **environment)
    workers, consumers, codings = map(json.loads, said.out.splitlines())
    assert (workers["group"], workers["members"], workers["lag"], workers["deleted_unread"]) == (scene.group, 0, 5, 2)
    assert len(workers["partitions"]) == 2 * PARTITIONS
    found = [tuple(one[name] for name in FIELDS) for one in workers["partitions"][:2]]
    assert found == [(RECORDS.name, 0, scene.first + 1, 2, 2), (RECORDS.name, 1, None, 2, 0)]
    assert workers["oldest_unread_seconds"] > 10_000_000
    assert workers["partitions"][PARTITIONS + 3]["oldest_unread_part"] == {"number": 2, "of": 3}
    assert {one["topic"] for one in workers["partitions"] if one["oldest_unread_seconds"] is None} == {
        RECORDS.name,
        REQUESTS.name,
    }
    assert (codings["group"], codings["lag"]) == (f"{scene.group}-calls-codings", 0)
    assert {one["topic"] for one in codings["partitions"]} == {topic.name for topic in READ_BESIDE_CALLS}
    assert (consumers["lag"], consumers["deleted_unread"], consumers["partitions"][2]["lag"]) == (1, 0, 1)

    said = feedback_says("lag", **environment)
    assert (said.code, said.err) == (0, "")
    assert "partition 0: 2 messages were deleted unread" in said.out
    assert f"{scene.group}: nobody is in this group" in said.out
    assert f"{REQUESTS.name} partition 3: the oldest unread message is part 2 of 3 of a request" in said.out


def test_judges_are_shown_where_there_may_be_any(scene, feedback_says):
    def groups(judges, **more):
        environment = {"KAFKA_BOOTSTRAP_SERVERS": scene.bootstrap, "JUDGE_GROUP": judges, **more}
        return [json.loads(line) for line in feedback_says("lag", "--json", **environment).out.splitlines()]

    assert [group["group"] for group in groups("nobodys")][3:] == []
    for judges, more in (("nobodys", {"JUDGE_MODEL": "offline/semantic"}), (scene.judges, {})):
        [found] = groups(judges, **more)[3:]
        assert (found["group"], found["members"]) == (judges, 0)
        assert {one["topic"] for one in found["partitions"]} == {topic.name for topic in RESULTS}


async def test_who_is_in_the_group(scene):
    consumer = AIOKafkaConsumer(RECORDS.name, bootstrap_servers=scene.bootstrap, group_id=f"{scene.group}-member")
    async with consumer:
        await consumer.getmany(timeout_ms=1)
        groups = {name: [RECORDS.name] for name in (f"{scene.group}-member", "nobodys")}
        (group,) = await lags(KafkaConnection(scene.bootstrap), groups, where_there=groups)
    assert group.members == 1


def test_mistakes_are_told_in_one_sentence(feedback_says):
    feedback_says("lag").assert_one_sentence("KAFKA_BOOTSTRAP_SERVERS is not set")
    feedback_says("lag", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1").assert_one_sentence("does not answer")
