"""Agents beside a coding and a summary of each record, and a worker that is killed at it: screening, batches."""

import json
from collections import defaultdict
from typing import Any

from schemas.topics import CODE_ASSIGNMENTS
from tests.builders import TENANT, a_record
from tests.chaos.catalogue import case
from tests.chaos.evidence import Input
from tests.chaos.ledger import mark
from tests.chaos.stage import Stage
from tests.integration.system_support import PARTITIONS

SCREENED, CODED = ("detect_sensitive",), ("assign_codes",)
BATCH = 5
_KINDS = {
    "dirty-water": "The water is dirty.",
    "dry-water-point": "The water point has nothing left.",
    "thanks": "Thanks to you all.",
}
"""What a record is to be coded as, and how it says so: the local provider goes by the words of a code's name."""
_ODD = ("[[swap-numbers]]", "[[unknown-number]]", "[[fail:500x1]]", "[[invalid-jsonx1]]", "[[lengthx1]]")


@case("sensitive-killed")
async def sensitive(stage: Stage) -> None:
    """A worker is killed three times while it screens records, some of them coded, too: each is screened once."""
    [worker] = await stage.system()
    stage.ledger.latency = 0.1
    publish = stage.inputs.publish
    for _ in range(3):
        came = stage.came
        given = await publish(60, "They stole my card.", operations=SCREENED)
        given += await publish(30, operations=SCREENED + CODED)
        given += await publish(4, "[[unknown-idx1]]", operations=SCREENED)
        given += await publish(2, "[[unknown-id]]", operations=SCREENED, reason="invalid_output")
        await stage.outcomes(came + stage.random.randrange(1, 100))
        await stage.kill(worker)
        await worker.start()
        await stage.answered(given)
    await stage.settled()


@case("batches-killed", seconds=600)
async def batches(stage: Stage) -> None:
    """Records coded five in a call, answers with numbers swapped or unknown; SIGKILL: one coding each, and its own."""
    [worker] = await stage.system(CODING_BATCH=BATCH, CODING_BATCH_WAIT_MS=300)
    wanted: dict[str, str] = {}
    found = _codes_heard(stage)
    stage.ledger.latency = 0.3
    for _ in range(4):
        came, asked = stage.came, stage.ledger.asked
        given = await _records(stage, 100, wanted)
        if stage.random.random() < 0.5:
            await stage.ledger.until_asked(asked + stage.random.randrange(1, 12))
        else:
            await stage.outcomes(came + stage.random.randrange(1, 80))
        await stage.kill(worker)
        await worker.start()
        await stage.answered(given)
    await stage.settled()
    shared = [served for served in stage.ledger.served() if served.shared_by]
    assert any(len(served.shared_by) == BATCH for served in shared), "no call was shared by five"
    assert any(served.status is None for served in shared), "no shared call was cut off"
    wrong = {record for record, code in wanted.items() if found[record] != {code}}
    assert not wrong, f"{len(wrong)} records have another's codes"


def _codes_heard(stage: Stage) -> dict[str, set[str]]:
    """The codes that each record is given from here on, by all of its results."""
    found: dict[str, set[str]] = defaultdict(set)

    def hear(message: Any, _: str) -> None:
        if message.topic == CODE_ASSIGNMENTS.name:
            told = json.loads(message.value)
            found[told["record_id"]].update(code["code_id"] for code in told["codes"])

    stage.sightings.told = hear
    return found


async def _records(stage: Stage, count: int, wanted: dict[str, str]) -> list[Input]:
    """Publish records of all kinds, every sixth with an oddity; `wanted` learns their codes by their ids."""
    given = []
    for number in range(count):
        record_id = f"{stage.group}-coded-{len(wanted)}"
        kind = wanted[record_id] = stage.random.choice(sorted(_KINDS))
        odd = stage.random.choice(_ODD) if number % 6 == 0 else ""
        content = f"{_KINDS[kind]} {stage.inputs.canary} {mark(record_id)} {odd}"
        record = a_record(record_id=record_id, content=content, operations=CODED)
        partition = number % PARTITIONS
        sent = stage.inputs.publish_value(record.to_bytes(), operations=CODED, tenant=TENANT, partition=partition)
        given.append(await sent)
    return given
