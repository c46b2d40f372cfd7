"""Codings through the real worker on a real broker: several records in one call, and a framework larger than a prompt.

Batches are of four here, and nobody waits for fewer: what is sent four at a time is coded four at a time.
"""

import asyncio
import json
from collections import Counter

import pytest

from domain.prompts.instructions import instructions_for
from schemas.operations import Operation
from schemas.topics import FRAMEWORKS, LLM_CALLS
from tests.builders import a_code, a_framework, a_record
from tests.integration.crm_support import a_crm

SIZE = 4
LARGE = "large"
ALONE = instructions_for(Operation.ASSIGN_CODES).version


def a_large_framework():
    """2,000 characters of names alone, where a prompt here takes 1,200."""
    crops = ("Maize", "Rice", "Beans", "Onions", "Cassava", "Millet", "Wheat", "Peas", "Dates", "Yams")
    farming = (
        a_code(f"seed-{n}", name=f"Seed of {crop.lower()} did not grow, row {n}") for n, crop in enumerate(crops)
    )
    things = ("tarpaulin", "rope", "bucket", "blanket", "stove", "lamp", "mat", "net", "soap", "pot")
    items = (a_code(f"item-{n}", name=f"Household item missing from the kit: {x}") for n, x in enumerate(things))
    health = (a_code("clinic-closed", description="The clinic is closed or too far away."), a_code("no-medicine"))
    filler = (a_code(f"other-{n}", name=f"Something else altogether, matter number {n}") for n in range(20))
    return a_framework(
        a_code("farming", *farming),
        a_code("items", *items),
        a_code("health", *health),
        a_code("rest", *filler),
        framework_id=LARGE,
    )


@pytest.fixture
async def crm(system_kafka):
    settings = {"coding_batch": SIZE, "coding_batch_wait_ms": 10_000, "framework_token_budget": 400}
    async with a_crm(system_kafka, "batches", **settings) as crm:
        yield crm


async def sent(crm, *contents, **fields):
    """Records that ask for a coding, by the id of their event."""
    records = [
        a_record(record_id=f"{crm.sent + n}", content=content, operations=["assign_codes"], **fields)
        for n, content in enumerate(contents)
    ]
    return {await crm.send(json.loads(record.to_bytes())): record.record_id for record in records}


async def codings(crm, ids):
    """The results of these records, by their ids."""
    found = await asyncio.gather(*(crm.result(event_id, "assign_codes") for event_id in ids))
    assert [result["record_id"] for result in found] == list(ids.values())
    return found


async def test_records_share_calls_and_every_call_is_one_event(crm):
    plain = await codings(crm, await sent(crm, *(f"The water is dirty, says caller {n}." for n in range(SIZE))))
    assert crm.provider.tally.by_task == {"assign_codes_batch": 1}
    assert {result["prompt_version"] for result in plain} == {"assign_codes.batch.v1"}
    assert {result["codes"][0]["code_id"] for result in plain} == {"dirty-water"}

    contents = ("Thanks! [[swap-numbers]]", "Dirty water.", "The water point is dry. [[swap-numbers]]", "Thanks again.")
    lied = await codings(crm, await sent(crm, *contents))
    assert crm.provider.tally.by_task == {"assign_codes_batch": 2, "assign_codes": 2}
    assert [result["codes"][0]["code_id"] for result in lied] == ["thanks", "dirty-water", "dry-water-point", "thanks"]
    batch, alone = "assign_codes.batch.v1", ALONE
    assert [result["prompt_version"] for result in lied] == [alone, batch, alone, batch]

    failed = await codings(crm, await sent(crm, "Thanks. [[fail:500x1]]", *("Thanks.",) * (SIZE - 1)))
    assert crm.provider.tally.by_task == {"assign_codes_batch": 4, "assign_codes": 2}

    calls = [json.loads(message.value) for message in await crm.outcomes.all(LLM_CALLS.name)]
    assert len(calls) == len({call["call_id"] for call in calls}) == crm.provider.tally.attempts == 6
    made = Counter(result["invocation_id"] for result in (*plain, *lied, *failed))
    assert sorted(made.values()) == [1, 1, 2, SIZE, SIZE]
    assert set(made) == {call["invocation_id"] for call in calls}
    assert {call["operation"] for call in calls} == {"assign_codes"}
    named = {call["invocation_id"]: call.get("record_id") for call in calls}
    results = {result["record_id"]: result for result in lied}
    assert {name: results[name]["invocation_id"] for name in filter(None, named.values())} == {
        name: invocation for invocation, name in named.items() if name
    }
    assert sum(call["status"] == "error" for call in calls) == 1
    assert sorted(call["attempt"] for call in calls) == [1, 1, 1, 1, 1, 2]


async def test_a_framework_too_large_for_the_prompt_is_narrowed_for_each_record_and_the_result_says_so(crm):
    framework = a_large_framework()
    await crm.producer.send_and_wait(FRAMEWORKS.name, framework.to_bytes(), key=framework.key.encode())

    ids = await sent(crm, "La clinique est fermée, il n'y a pas de médecin.", framework_id=LARGE)
    (result,) = await codings(crm, ids)

    (seen,) = [r.body["messages"][0]["content"] for r in crm.provider.requests]
    shown = seen.split("<framework>\n")[-1].split("\n</framework>")[0]
    assert len(shown) <= 300 * 4
    assert "3.1 Clinic Closed: The clinic is closed" in shown, "what is nearest, whatever its language"
    lines = shown.split("\n")
    assert result["narrowed"] == {"codes_shown": len(lines), "codes_total": 46}
    assert result["prompt_version"] == f"{ALONE}+assign_codes.narrowed.v1"
    assert {step["id"] for step in result["codes"][0]["path"]} <= {path[-1].id for path in framework.paths()}
    (call,) = [json.loads(message.value) for message in await crm.outcomes.all(LLM_CALLS.name)]
    assert call["prompt_version"] == result["prompt_version"]
