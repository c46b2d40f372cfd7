"""Topics that are deleted, emptied, or cannot be written."""

from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete

from adapters.kafka.admin import ensure_topics
from adapters.kafka.connection import KafkaConnection
from schemas.topics import DEAD_LETTERS, RECORDS
from tests.chaos.catalogue import case
from tests.chaos.members import paused
from tests.chaos.stage import Stage
from tests.integration.system_support import PARTITIONS


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
    assert said in worker.life.errors, worker.life.errors
    assert f"feedback_messages_deleted_unread_total {float(len(gone))}" in await worker.scrape()


@case("topic-deleted")
async def deleted(stage: Stage) -> None:
    """The topic of records is deleted under a worker, and made anew: what comes then is answered."""
    [worker] = await stage.system()
    stage.ledger.latency = 0.2
    inputs = await stage.inputs.publish(400)
    await stage.outcomes(100)
    stage.sampling = False
    await stage.fault("the topic is deleted")
    await stage.admin.delete_topics([RECORDS.name])
    stage.samples.clear()  # its offsets begin anew
    await paused(5)
    await stage.sightings.caught_up()
    stage.inputs.give_up(given for given in inputs if given.event_id in stage.sightings.open)
    await ensure_topics(KafkaConnection(stage.ground.kafka.bootstrap_servers), PARTITIONS, 1)
    if not worker.alive:
        assert "\nTraceback" not in worker.life.errors
        await worker.start()
    await stage.inputs.publish(100)
    await stage.settled()
