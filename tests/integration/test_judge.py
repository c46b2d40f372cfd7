"""A judge on a real Kafka: it looks up the records behind results, and leaves alone what it cannot judge."""

import asyncio
import json
import secrets
from dataclasses import replace
from functools import partial
from uuid import uuid4

from aiokafka import AIOKafkaConsumer

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.past_messages import KafkaPastMessages
from adapters.kafka.publisher import KafkaPublisher
from domain.delivery.delivery import Delivery
from domain.judging.results import Results
from domain.judging.settings import JudgingSettings, JudgingTally
from domain.llm.routing import Routing
from domain.ports import OutboundMessage
from schemas.cloudevents import headers_for
from schemas.results import RecordSummarized
from schemas.sources import Source
from streams.settings import WorkerSettings
from streams.status import WorkerStatus
from streams.worker import run_judge
from tests.builders import NOON, TENANT, a_record
from tests.fakes import ScriptedModel
from tests.integration.streams_support import bench
from tests.unit.domain.delivery.setup import delivery_settings

GOOD = json.dumps({"faithfulness": 0.9, "coverage": 0.5, "clarity": 1.0})


def a_summary(source, number):
    return RecordSummarized(
        result_id=uuid4(),
        tenant_id=TENANT,
        model="some/model",
        prompt_version="summarize.v1",
        invocation_id=uuid4(),
        completed_at=NOON,
        record_id=f"record-{number}",
        title=f"Summary {number}",
        bullets=("It is dry.",),
        inputs=(source,),
    )


async def test_results_are_judged_beside_the_records_at_their_sources(system_kafka, tmp_path):
    connection = KafkaConnection(system_kafka)
    group, tally, model = f"judges-{secrets.token_hex(4)}", JudgingTally(), ScriptedModel(lambda *_: GOOD)
    async with (
        bench(system_kafka, tmp_path, partitions=1) as table,
        KafkaPublisher(connection, 30) as events,
        KafkaPastMessages(connection) as past,
        judgements_of(system_kafka) as read,
    ):
        # The test's own topics stand for those of records and results: what stands where is all that matters here.
        for number in range(3):
            await table.publish_raw(a_record(record_id=f"record-{number}", content=f"Tap {number}.").to_bytes())
        source = partial(Source, topic="feedback.records", partition=0)
        results = [a_summary(source(offset=number), number) for number in range(3)]
        results.append(a_summary(source(offset=1), 2))  # another record stands there
        results.append(a_summary(source(offset=999), 3))  # nothing does
        forged = ("no-such-topic", "two words", "a/b", "x" * 300, table.topic)  # no worker reads there
        results += [a_summary(Source(topic=topic, partition=0, offset=0), 0) for topic in forged]
        for result in results:
            headers = headers_for(result, str(result.result_id), "0" * 32, NOON)
            await events.publish(OutboundMessage(f"{table.topic}.out", b"k", result.to_bytes(), headers))
        inputs = Results(as_records(table.topic, past), JudgingSettings(), tally)
        handler = Delivery(inputs, Routing.of_one(model), events, settings())
        worker = WorkerSettings(
            bootstrap_servers=system_kafka,
            group_id=group,
            instance_id=None,
            window=100,
            drain_seconds=10.0,
            result_topics=(f"{table.topic}.out",),
            data_directory=tmp_path,
        )
        stop, wanted = asyncio.Event(), {str(result.result_id) for result in results[:3]}
        judging = asyncio.create_task(run_judge(worker, handler, stop, WorkerStatus()))
        try:
            found = await read(wanted)
        finally:
            stop.set()
            await judging
    assert {one["score"] for one in found} == {0.79}
    contents = sorted(prompt.user.splitlines()[1] for prompt, _ in model.asked)
    assert contents == ["Tap 0.", "Tap 1.", "Tap 2."]
    assert tally.without_records == 7


def settings():
    return delivery_settings(max_in_flight=8)


def as_records(topic, past):
    """The past as it is, with this topic in the place of that of records."""

    class Past:
        async def at(self, source):
            there = topic if source.topic == "feedback.records" else source.topic
            found = await past.at(source.model_copy(update={"topic": there}))
            return found and replace(found, topic=source.topic)

    return Past()


class judgements_of:  # noqa: N801 - reads as a function
    """Reads judgements until all that are wanted have come."""

    def __init__(self, bootstrap):
        self._consumer = AIOKafkaConsumer(
            "feedback.judgements", bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=100
        )

    async def __aenter__(self):
        await self._consumer.start()
        return self._read

    async def __aexit__(self, *_):
        await self._consumer.stop()

    async def _read(self, wanted):
        found = {}
        async with asyncio.timeout(60):
            while not wanted <= set(found):
                judged = json.loads((await self._consumer.getone()).value)
                if judged["result_id"] in wanted:
                    found[judged["result_id"]] = judged
        return list(found.values())
