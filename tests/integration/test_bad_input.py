"""What a CRM should not have sent, through the real worker on a real broker: each has its clear outcome, none harms."""

import json
import secrets
from base64 import b64decode
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from domain.delivery.reasons import REASONS
from schemas.cloudevents import deterministic_id, identify
from schemas.topics import RECORDS
from tests import odd_headers
from tests.builders import FRAMEWORK, TENANT
from tests.integration.crm_support import a_crm
from tests.integration.system_support import empty_topics

KAFKA_LIMIT = 1_048_588
"""The broker's default for one batch, in bytes."""


@pytest.fixture(scope="module")
async def crm(system_broker):
    await empty_topics(system_broker)
    async with a_crm(system_broker, "bad-input") as crm:
        yield crm


def a_record(record_id: str = "r", content: str = "The tap is dry.", **fields: Any) -> dict[str, Any]:
    """A record that asks for a coding and a summary; a field that is None is left out."""
    record = {"tenant_id": TENANT, "record_id": record_id, "content": content, "framework_id": FRAMEWORK, **fields}
    return {name: value for name, value in record.items() if value is not None}


def raw(**fields: Any) -> bytes:
    return json.dumps(a_record(**fields)).encode()


BAD = [
    ("not JSON", b"{oops", "not_json", None),
    ("no UTF-8", b'{"tenant_id": "caf\xe9"}', "not_json", None),
    ("nested too deeply", b"[" * 5000 + b"]" * 5000, "not_json", None),
    ("empty", b"", "empty_payload", None),
    ("no value", None, "empty_payload", None),
    ("null", b"null", "not_json", None),
    ("a list", b"[1]", "not_json", None),
    ("wrong schema", raw(content=7), "wrong_schema", TENANT),
    ("no tenant", raw(tenant_id=None), "wrong_schema", None),
    ("an id that is too long", raw(record_id="x" * 256), "wrong_schema", TENANT),
    ("an id that is empty", raw(record_id=""), "wrong_schema", TENANT),
    ("an id with NUL", raw(record_id="a\x00b"), "wrong_schema", TENANT),
    ("a tenant with NUL", raw(tenant_id="a\x00b"), "wrong_schema", None),
    ("coding without a framework", raw(framework_id=None, operations=["assign_codes"]), "wrong_schema", TENANT),
    ("a version of the future", raw(schema_version=2), "unknown_version", TENANT),
    ("blank", raw(content=" \n\t\u00a0"), "blank_content", TENANT),
    ("100,001 characters", raw(content="\u6c34" * 100_001), "too_large", TENANT),
    ("close to Kafka's limit", b"x" * (KAFKA_LIMIT - 500), "not_json", None),
]


async def test_each_bad_input_is_a_dead_letter_with_its_bytes_and_its_neighbours_are_answered(crm):
    """In one partition, a good record after each bad one; byte for byte, with key, headers and place."""
    sent = []
    for number, (_, value, _, _) in enumerate(BAD):
        bad = await crm.send(value, key=f"key-{number}".encode())
        place = crm.places[-1]
        sent.append((bad, place, await crm.send(a_record(f"good-{number}"))))

    for number, ((name, value, reason, tenant), (event_id, place, neighbour)) in enumerate(zip(BAD, sent, strict=True)):
        letter = await crm.letter(event_id)
        assert (letter["reason"], letter.get("tenant_id"), letter.get("operation")) == (reason, tenant, None), name
        assert reason in REASONS
        assert letter["attempts"] == 0
        assert (letter["source"]["topic"], letter["source"]["partition"], letter["source"]["offset"]) == (
            RECORDS.name,
            *place,
        )
        original = letter.get("value_base64")
        assert (None if original is None else b64decode(original)) == value, name
        assert b64decode(letter["key_base64"]) == f"key-{number}".encode()
        assert ("x-crm", b"\xff\x00") in [(h["key"], b64decode(h["value_base64"])) for h in letter["headers"]]
        assert letter["message"].endswith(".")
        await crm.assert_answered(neighbour)


async def test_a_header_name_that_is_not_utf_8_is_as_good_as_any_other(crm):
    """In one batch, compressed, between good ones: aiokafka alone would fail on it at every start of every worker."""
    odd, ids, batch = (odd_headers.Name(odd_headers.ODD), b"\xff"), [], []
    for number, value in enumerate([raw(record_id="a"), raw(record_id="b"), b"{oops", raw(record_id="c")]):
        headers = [("ce_source", crm.source.encode()), ("ce_id", f"odd-{number}".encode()), *[odd] * (number in (1, 2))]
        batch.append((b"k", value, headers))
        ids.append(identify(RECORDS.name, b"k", value, headers).event_id)
    first = await odd_headers.send(crm.producer, RECORDS.name, batch, codec=odd_headers.GZIP)

    for answered in (0, 1, 3):
        await crm.assert_answered(ids[answered])
    letter = await crm.letter(ids[2])
    assert (letter["reason"], letter["source"]["offset"]) == ("not_json", first + 2)
    assert b64decode(letter["value_base64"]) == b"{oops"
    assert [header["key"] for header in letter["headers"]] == ["ce_source", "ce_id", odd_headers.ODD_TOLD]
    assert b64decode(letter["headers"][2]["value_base64"]) == b"\xff"
    await crm.assert_answered(await crm.send(a_record("after-odd-names")))


async def test_a_record_over_kafkas_limit_is_told_to_the_one_who_sends_it(crm):
    huge = secrets.token_bytes(KAFKA_LIMIT + 1)  # random: compression does not help
    with pytest.raises(MessageSizeTooLargeError):
        await crm.send(huge)
    await crm.assert_answered(await crm.send(a_record("after-huge")))


async def test_what_compression_brought_past_the_limit_is_answered_or_told_without_its_bytes(crm):
    """Kafka measures what is compressed: the worker may get more than a dead letter can carry."""
    good = await crm.send(a_record("padded", metadata={"padding": "x" * 3_000_000}))
    bad = await crm.send(b" " * 3_000_000 + b"{")
    await crm.assert_answered(good)
    letter = await crm.letter(bad)
    assert letter["reason"] == "not_json"
    assert letter.get("value_base64") is None
    assert "read it at its source" in letter["message"]
    assert (letter["source"]["partition"], letter["source"]["offset"]) == crm.places[-1]


async def test_a_content_of_exactly_the_limit_is_answered(crm):
    await crm.assert_answered(await crm.send(a_record("long", content="\U0001f6b0" * 100_000)))


async def test_odd_ids_come_back_as_they_were(crm):
    odd = ["\U0001f6b0", "../../etc/passwd", "line\nbreak\r\n", "\u202ertl", "'; DROP TABLE llm_calls; --"]
    odd += ["\u6c34" * 255, " ", '{"a": 1}']
    for record_id in odd:
        event_id = await crm.send(a_record(record_id), key=record_id.encode())
        for operation in ("assign_codes", "summarize"):
            assert (await crm.result(event_id, operation))["record_id"] == record_id


async def test_two_records_with_one_id_and_one_record_sent_twice(crm):
    """Another event is another answer; the same event again is the same result."""
    one = await crm.send(a_record("twin", content="The tap is dry."), key=b"twin")
    other = await crm.send(a_record("twin", content="Thank you!"), key=b"twin")
    again = (("ce_source", b"crm"), ("ce_id", b"sent-twice"))
    twice = {await crm.send(a_record("twice"), *again) for _ in range(2)}
    bare = {await crm.send(a_record("bare"), ("not", b"ours")) for _ in range(2)}
    assert one != other
    assert len(twice) == len(bare) == 1
    results = [await crm.result(event_id, "summarize") for event_id in (one, other, *twice, *bare)]
    assert [result["record_id"] for result in results] == ["twin", "twin", "twice", "bare"]
    ids = [result["result_id"] for result in results]
    await crm.outcomes.until(lambda _: [crm.came()[one] for one in ids] == [1, 1, 2, 2])


async def test_an_unknown_framework_costs_the_coding_and_nothing_else(crm):
    stranger = await crm.send(a_record("stranger", framework_id="nobody-sent-this"))
    foreign = await crm.send(a_record("foreign", tenant_id="another-tenant"))  # a framework of that name is not theirs
    neighbour = await crm.send(a_record("neighbour"))
    await crm.assert_answered(neighbour)
    for event_id, tenant in ((stranger, TENANT), (foreign, "another-tenant")):
        assert (await crm.result(event_id, "summarize"))["tenant_id"] == tenant
        letter = await crm.letter(event_id, "assign_codes")
        assert (letter["reason"], letter["operation"], letter["attempts"]) == ("unknown_framework", "assign_codes", 0)
        assert json.loads(b64decode(letter["value_base64"]))["tenant_id"] == tenant


async def test_what_was_not_asked_for_is_not_done(crm):
    event_id = await crm.send(a_record("summarise-me", operations=["summarize"]))
    await crm.result(event_id, "summarize")
    coding = str(deterministic_id(event_id, "assign_codes"))
    assert coding not in crm.came()
