"""Topics that are deleted, emptied, or cannot be written."""

import asyncio
from functools import partial

from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete

from adapters.kafka.admin import ensure_topics
from adapters.kafka.connection import KafkaConnection
from schemas.topics import DEAD_LETTERS, RECORDS
from tests.chaos.catalogue import case
from tests.chaos.members import Member, paused
from tests.chaos.stage import Stage, fetch
from tests.integration.system_support import PARTITIONS, eventually


@case("dead-letter-topic-unwritable")
async def unwritable(stage: Stage) -> None:
    """For 20 s there is no topic of dead letters: the bad input is not acknowledged, others are answered."""
    await stage.system()
    stage.sampling = False  # which looks at all topics
    await stage.admin.delete_topics([DEAD_LETTERS.name])
    bad = await stage.inputs.publish_value(b"no JSON", reason="not_json", partition=0)
    await stage.answered(await stage.inputs.publish(200))
    await paused(20)
    assert (await stage.committed()).get(bad.place[:2], 0) <= bad.place[2]
    await ensure_topics(KafkaConnection(stage.ground.kafka.bootstrap_servers), PARTITIONS, 1)
    stage.sampling = True
    await stage.settled()
    assert len(stage.sightings.letters) == 1
    # The consumer reads that topic, too: it found the new one, and the dead letter is a row.
    await eventually(partial(stage.everything_committed, f"{stage.group}-calls-codings", {DEAD_LETTERS.name}), 120)
    [row] = await fetch(stage.database, "SELECT count(*) AS letters FROM dead_letters")
    assert row["letters"] == 1, f"{row['letters']} dead letters are stored"


@case("messages-deleted-unread")
async def past_retention(stage: Stage) -> None:
    """Retention deletes what nobody has read, while the worker is away: it says so, loudly, and goes on."""
    [worker] = await stage.system()
    await stage.answered(await stage.inputs.publish(40))
    await stage.stop(worker)
    unread = await stage.inputs.publish(80)
    gone = [given for given in unread if given.place[1] == 0]
    place = TopicPartition(*gone[0].place[:2])
    await stage.admin.delete_records({place: RecordsToDelete(before_offset=gone[-1].place[2] + 1)})
    stage.inputs.give_up(gone)
    await stage.inputs.publish(40)
    await worker.start()
    await stage.settled()
    said = f"{len(gone)} messages of {place.topic} partition {place.partition} were deleted before they were read"
    await worker.life.says(said)  # a look of its own, beside the answering
    assert f"feedback_messages_deleted_unread_total {float(len(gone))}" in await worker.scrape()


@case("topic-deleted")
async def deleted(stage: Stage) -> None:
    """The topic of records is deleted under a worker at work, and made anew at once: all of the new one is answered."""
    await _deleted(stage, seconds=0)


@case("topic-deleted-for-a-while")
async def away(stage: Stage) -> None:
    """The same, and for 5 s there is no such topic."""
    await _deleted(stage, seconds=5)


async def _deleted(stage: Stage, seconds: float) -> None:
    [worker] = await stage.system()
    await stage.answered(await stage.inputs.publish(90))
    stage.ledger.latency = 0.2
    inputs = await stage.inputs.publish(200)
    await stage.outcomes(stage.came + 120)
    stage.sampling = False
    await stage.fault("the topic is deleted")
    await stage.admin.delete_topics([RECORDS.name])
    await paused(seconds)
    await _made_anew(stage)
    await stage.sightings.caught_up()
    stage.inputs.give_up(given for given in inputs if given.event_id in stage.sightings.open)
    stage.ledger.latency = 0.0
    await stage.inputs.publish(600)  # of each partition more than the old one had
    await eventually(lambda: _said_once(worker), 60)
    stage.samples.clear()  # offsets began anew
    stage.watched_seconds, stage.sampling = 0.0, True
    await stage.settled()
    assert worker.alive
    assert _said_once(worker), worker.life.errors


def _said_once(worker: Member) -> bool:
    return worker.life.errors.count(f"The topic {RECORDS.name} was deleted and made anew") == 1


async def _made_anew(stage: Stage) -> None:
    """Kafka acknowledges a deletion before it is over: create the topic as soon as it lets one."""
    async with asyncio.timeout(30):
        while RECORDS.name not in await ensure_topics(
            KafkaConnection(stage.ground.kafka.bootstrap_servers), PARTITIONS, 1
        ):
            pass  # each answer takes a while
