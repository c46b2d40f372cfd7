"""Codings and corrections on their way into their tables, and a consumer that is killed in its worst moment."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Awaitable
from functools import partial
from typing import Any

from schemas.cloudevents import identify
from schemas.corrections import CodesCorrected
from schemas.topics import CODE_ASSIGNMENTS, CORRECTIONS, READ_BESIDE_CALLS
from tests.builders import FRAMEWORK, NOON, TENANT
from tests.chaos.catalogue import case
from tests.chaos.evidence import Partition
from tests.chaos.foreign import a_proxy, by_way_of
from tests.chaos.members import paused
from tests.chaos.proxy import PostgresProxy
from tests.chaos.stage import Stage, fetch
from tests.integration.system_support import PARTITIONS, eventually

CODES = ("dirty-water", "dry-water-point", "thanks")
_ROWS = {
    "codings": "SELECT result_id::text AS id, code_ids, codings::text AS line FROM codings",
    "corrections": "SELECT event_id::text AS id, code_ids, corrections::text AS line FROM corrections",
}
_TOPICS = {topic.name for topic in READ_BESIDE_CALLS}


class _Told:
    """What was told on both topics, by the ids that the tables have: codes of each."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.codings: dict[str, list[str]] = {}
        self.corrections: dict[str, list[str]] = {}
        self._records: list[str] = []
        stage.sightings.told = self._hear

    def _hear(self, message: Any, _: str) -> None:
        if message.topic == CODE_ASSIGNMENTS.name:
            told = json.loads(message.value)
            # Of several with one id any may be the one that is kept: the local provider answers them all alike.
            self.codings[told["result_id"]] = [code["code_id"] for code in told["codes"]]
            self._records.append(told["record_id"])

    async def correct(self, count: int) -> None:
        """Publish corrections of records that were coded, and of some that never are; each third is sent twice."""
        random = self._stage.random
        sent: list[Awaitable[Any]] = []
        for _ in range(count):
            codes = random.sample(CODES, random.randrange(1, 3))
            given = CodesCorrected(
                tenant_id=TENANT,
                record_id=random.choice([*self._records[-40:], f"{self._stage.group}-never"]),
                framework_id=FRAMEWORK,
                code_ids=tuple(codes),
                corrected_at=NOON,
                content=f"It was about {codes[0]}. {self._stage.inputs.canary}",
            )
            ce_id = f"correction-{len(self.corrections)}".encode()
            headers = (("ce_source", self._stage.group.encode()), ("ce_id", ce_id))
            key, value = given.record_id.encode(), given.to_bytes()
            self.corrections[identify(CORRECTIONS.name, key, value, headers).event_id] = list(given.code_ids)
            send = partial(self._stage.inputs.producer.send, CORRECTIONS.name, value, key, headers=list(headers))
            sent += [await send(partition=random.randrange(PARTITIONS)) for _ in range(random.choice([1, 1, 2]))]
        await asyncio.gather(*sent)


@case("corrections-consumer-killed", seconds=600)
async def killed(stage: Stage) -> None:
    """The consumer is killed eight times after codings and corrections were stored, before their offsets: each once."""
    async with a_proxy(stage) as proxy:
        told = _Told(stage)
        await asyncio.gather(stage.consumer(DATABASE_URL=by_way_of(proxy, stage.database)), stage.worker())
        await stage.warm_up()
        stored = 0
        for _ in range(8):
            stored += await _between_the_commits(stage, proxy, told)
        await stage.settled()
        await _all_committed(stage)
    assert stored >= 8, "hardly a row was there before its offset"
    await _each_once(stage, "codings", told.codings)
    await _each_once(stage, "corrections", told.corrections)


async def _between_the_commits(stage: Stage, proxy: PostgresProxy, told: _Told) -> int:
    """The database commits and its answers are lost, so no offset is committed until the kill; how many rows came."""
    await _all_committed(stage)
    consumer, offsets, rows = stage.members["consumer"], await _offsets(stage), await _rows(stage)
    proxy.lose_commit_reply(None)
    inputs = await stage.inputs.publish(stage.random.randrange(4, 40))
    await asyncio.gather(told.correct(stage.random.randrange(1, 40)), stage.answered(inputs))
    await eventually(partial(_more_rows, stage, rows))
    await paused(stage.random.uniform(0, 1))
    consumer.send(signal.SIGKILL)  # not written down: no worker repeats anything for it
    await consumer.ended()
    assert await _offsets(stage) == offsets, "an offset was committed"
    came = await _rows(stage) - rows
    proxy.pass_all()
    await consumer.start()
    return came


async def _all_committed(stage: Stage) -> None:
    await eventually(partial(stage.everything_committed, f"{stage.group}-calls-codings", _TOPICS), 120)


async def _offsets(stage: Stage) -> dict[Partition, int]:
    offsets = await stage.admin.list_consumer_group_offsets(f"{stage.group}-calls-codings")
    return {(tp.topic, tp.partition): at.offset for tp, at in offsets.items()}


async def _rows(stage: Stage) -> int:
    counted = "SELECT (SELECT count(*) FROM codings) + (SELECT count(*) FROM corrections)"
    return int((await fetch(stage.database, counted))[0][0])


async def _more_rows(stage: Stage, rows: int) -> bool:
    return await _rows(stage) > rows


async def _each_once(stage: Stage, table: str, told: dict[str, list[str]]) -> None:
    """The table holds what was told, each with its codes, and nothing else; and no word of the feedback."""
    rows = await fetch(stage.database, _ROWS[table])
    twice = [name for name, times in Counter(row["id"] for row in rows).items() if times > 1]
    assert not twice, f"{len(twice)} of {table} are stored twice"
    stored = {row["id"]: list(row["code_ids"]) for row in rows}
    assert stored.keys() == told.keys(), f"{len(stored.keys() ^ told.keys())} of {table} were lost, or made up"
    assert stored == told, f"{table} have other codes than were told"
    stage.texts[table] = "\n".join(row["line"] for row in rows)
