"""`feedback dead-letters` on a real broker: with a real worker, with the catalogue of frameworks, with mistakes."""

import json
import re
from base64 import b64decode, b64encode
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from adapters.kafka.admin import ensure_topics
from adapters.kafka.bounded import existing_topics
from adapters.kafka.connection import KafkaConnection
from adapters.kafka.dead_letters import DeadLetterTopic
from adapters.kafka.frameworks import KafkaFrameworkCatalogue
from adapters.kafka.publisher import KafkaPublisher
from domain.dead_letters.originals import message_of
from domain.dead_letters.register import Filter
from domain.dead_letters.replay import DAMAGED, FOREIGN, TOO_LARGE
from runtime.replaying import Replaying
from schemas.cloudevents import deterministic_id
from schemas.topics import CODE_ASSIGNMENTS, DEAD_LETTERS, FRAMEWORKS, REQUESTS, SUMMARIES
from tests.builders import FRAMEWORK, NOON, TENANT, a_framework
from tests.integration.crm_support import a_crm
from tests.integration.system_support import feedback, publishing, reading
from tests.unit.domain.dead_letters.test_register import a_letter


@pytest.fixture(scope="module")
async def broker(fresh_kafka):
    await ensure_topics(KafkaConnection(fresh_kafka.bootstrap_servers), 2, 1)
    return fresh_kafka.bootstrap_servers


async def ended(broker, directory, *arguments):
    """The exit code, stdout and stderr of the command."""
    async with feedback("dead-letters", *arguments, cwd=directory, kafka_bootstrap_servers=broker) as running:
        return await running.ends(), running.out, running.errors


async def replayed_here(broker, **chosen):
    """The same in this process: matched, replayed, already, impossible."""
    connection = KafkaConnection(broker)
    replaying = Replaying(DeadLetterTopic(connection))
    await replaying.prepare(Filter(**chosen))
    await replaying.carry_out(KafkaPublisher(connection, 30))
    return replaying.matched, replaying.replayed, replaying.plan.already, replaying.plan.refused


def a_record(record_id, **fields):
    return {
        "tenant_id": TENANT,
        "record_id": record_id,
        "content": "The tap is dry.",
        "framework_id": FRAMEWORK,
    } | fields


async def test_from_the_failure_to_the_result(broker, tmp_path):
    """What failed for a cause that is gone is answered under the id that it would have had; the rest fails again."""
    async with a_crm(broker, "letters") as crm:
        late = await crm.send(a_record("late", framework_id="late"))
        bad = await crm.send(b"\xff\x1b[2J", ("x-crm", b"\xff\x00"), key=b"bad")
        huge = await crm.send(b" " * 3_000_000 + b"{")
        coding = await crm.letter(late, "assign_codes")
        first, without = await crm.letter(bad), await crm.letter(huge)
        await crm.producer.send_and_wait(DEAD_LETTERS.name, b"no dead letter", headers=[("ce_id", b"x")])

        code, out, errors = await ended(broker, tmp_path, "list", "--json")
        listed = {letter["dead_letter_id"]: letter for letter in map(json.loads, out.splitlines())}
        assert (code, set(listed)) == (0, {one["dead_letter_id"] for one in (coding, first, without)})
        assert not any(letter["replayed"] for letter in listed.values())
        assert errors.startswith("feedback: 1 message on feedback.dead-letters cannot be read")
        assert listed[coding["dead_letter_id"]]["result_id"] == str(deterministic_id(late, "assign_codes"))

        code, out, _ = await ended(broker, tmp_path, "show", first["dead_letter_id"], "--content")
        assert (code, out.splitlines()[-1]) == (0, "0xff1b5b324a")
        assert "x-crm: 0xff00" in out

        framework = a_framework(framework_id="late")
        await crm.producer.send_and_wait(FRAMEWORKS.name, framework.to_bytes(), key=framework.key.encode())
        assert await replayed_here(broker, ids={UUID(coding["dead_letter_id"])}) == (1, 1, 0, 0)
        assert (await crm.result(late, "assign_codes"))["result_id"] == coding["result_id"]
        code, out, _ = await ended(broker, tmp_path, "list", "--json")
        done = {letter["dead_letter_id"] for letter in map(json.loads, out.splitlines()) if letter["replayed"]}
        assert (code, done) == (0, {coding["dead_letter_id"]})

        code, out, errors = await ended(broker, tmp_path, "replay", "--yes", "--all")
        assert (code, out) == (1, "dead-letters: matched=3 replayed=1 already=1 impossible=1\n")
        assert f"too large to be carried: read them at their source: {without['dead_letter_id']}." in errors
        again = await letter_of(crm, bad, 2)
        assert (again["dead_letter_id"], again["reason"]) == (first["dead_letter_id"], "not_json")
        assert again["source"] != first["source"]
        assert b64decode(again["value_base64"]) == b64decode(first["value_base64"])
        names = [header["key"] for header in again["headers"]]
        assert names == ["x-crm", "feedback-replay-of", "feedback-replay-at"]
        assert await replayed_here(broker, reason="not_json") == (2, 1, 0, 1)
        third = await letter_of(crm, bad, 3)
        assert [header["key"] for header in third["headers"]] == names

        await crm.outcomes.all()
        assert crm.came()[str(deterministic_id(late, "summarize"))] == 1  # only the coding was done again
        counts = [
            sum(one.topic == topic.name for one in crm.outcomes.messages) for topic in (CODE_ASSIGNMENTS, SUMMARIES)
        ]
        assert counts == [1, 1]


async def letter_of(crm, event_id, times):
    """The latest dead letter of an input, once there are so many."""
    wanted = str(deterministic_id(event_id, "dead_letter", "")).encode()
    found = await crm.outcomes.until(lambda message: dict(message.headers)["ce_id"] == wanted, times)
    return json.loads(found[-1].value)


async def test_a_framework_may_be_replayed_until_it_has_a_newer_version(broker):
    connection = KafkaConnection(broker)
    publisher = partial(KafkaPublisher, connection, 30)
    async with publisher() as events, publishing(broker) as producer, reading(broker, DEAD_LETTERS.name) as outcomes:
        letters = partial(outcomes.until, lambda message: b"feedback.frameworks" in (message.value or b""))
        await producer.send_and_wait(FRAMEWORKS.name, b"{bad", key=b"t/f")
        async with KafkaFrameworkCatalogue(connection, events):
            (first,) = await letters(1)
            letter = json.loads(first.value)
            chosen = Filter(ids={UUID(letter["dead_letter_id"])})
            for expected in ((1, 0), (0, 1)):
                replaying = Replaying(DeadLetterTopic(connection))
                await replaying.prepare(chosen)
                await replaying.carry_out(publisher())
                if expected[0]:  # it fails again, under its id, from where it stands now
                    again = json.loads((await letters(2))[-1].value)
                    assert again["dead_letter_id"] == letter["dead_letter_id"]
                    assert again["source"]["offset"] > letter["source"]["offset"]
                    good = a_framework(tenant_id="t", framework_id="f")
                    await producer.send_and_wait(FRAMEWORKS.name, good.to_bytes(), key=b"t/f")
                assert (replaying.replayed, replaying.plan.refused) == expected
        await producer.send_and_wait(FRAMEWORKS.name, None, key=b"t/f")


async def test_what_kafka_does_not_take_is_counted(broker):
    """A topic that is none of inputs, without making it by asking; and what had been sent compressed."""
    connection = KafkaConnection(broker)
    zeros = b64encode(bytes(1_300_000)).decode()
    letters = [
        a_letter(topic="gone", key_base64=None),
        a_letter(value_base64=zeros, failed_at=NOON + timedelta(seconds=1)),
        a_letter(value_base64="a", failed_at=NOON + timedelta(seconds=2)),
    ]
    async with publishing(broker, max_request_size=4 * 2**20) as producer:
        for letter in letters:
            await producer.send_and_wait(DEAD_LETTERS.name, letter.to_bytes(), partition=0)
    replaying = Replaying(DeadLetterTopic(connection))
    await replaying.prepare(Filter(ids={letter.dead_letter_id for letter in letters}))
    assert (replaying.matched, len(replaying.plan.replay)) == (3, 2)
    await replaying.carry_out(KafkaPublisher(connection, 30))
    why = {known.dead_letter_id: reason for reason, found in replaying.plan.impossible.items() for known in found}
    assert [why[letter.dead_letter_id] for letter in letters] == [FOREIGN, TOO_LARGE, DAMAGED]
    assert (replaying.replayed, replaying.last_line.rpartition(" ")[2]) == (0, "impossible=3")
    assert "gone" not in await existing_topics(connection)


async def test_what_is_forged(broker, tmp_path):
    """Times that no calendar has, topics of others, a time to come, marks on another's message; and deleted replays."""
    extreme = json.loads(a_letter(reason="forged").to_bytes()) | {"failed_at": "0001-01-01T00:00:00+14:00"}
    forged = partial(a_letter, reason="forged", tenant_id="forged")
    foreign = forged(topic=SUMMARIES.name)
    to_come = forged(topic=REQUESTS.name, failed_at=NOON + timedelta(days=300_000))
    late = forged(topic=REQUESTS.name, offset=2)
    async with publishing(broker) as producer:
        for value in (json.dumps(extreme).encode(), *(letter.to_bytes() for letter in (foreign, to_come, late))):
            await producer.send_and_wait(DEAD_LETTERS.name, value)
        marks = list(message_of(late).headers)
        for _ in range(9):
            await producer.send_and_wait(REQUESTS.name, b"{}", key=b"key", headers=marks, partition=0)
    assert await replayed_here(broker, reason="forged") == (3, 2, 0, 1)
    assert await replayed_here(broker, reason="forged") == (3, 0, 2, 1)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        ends = RecordsToDelete(before_offset=-1)
        await admin.delete_records({TopicPartition(REQUESTS.name, number): ends for number in (0, 1)})
    finally:
        await admin.close()
    code, out, errors = await ended(broker, tmp_path, "replay", "--tenant", "forged", "--dry-run")
    said, *ids, left_out, last = out.splitlines()
    assert (code, said) == (1, "2 would be replayed (2 to feedback.requests).")
    assert ids == [str(letter.dead_letter_id) for letter in (late, to_come)]
    assert left_out == f"1 would be left out: 1 cannot be replayed {FOREIGN}."
    assert last == "dead-letters: matched=3 replayed=0 already=0 impossible=1 would_replay=2"
    assert "feedback: 2 of 2 may have been replayed before" in errors
    assert f"1 cannot be replayed {FOREIGN}: {foreign.dead_letter_id}." in errors
    assert "cannot be read as a dead letter" in errors
    code, out, errors = await ended(broker, tmp_path, "list", "--json", "--tenant", "forged", "--open")
    assert (code, len(out.splitlines())) == (0, 3)
    assert "feedback: 2 of 3 may have been replayed before" in errors


def test_mistakes_are_told_in_one_sentence_and_the_rest_in_tables(broker, feedback_says):
    says = partial(feedback_says, "dead-letters", KAFKA_BOOTSTRAP_SERVERS=broker)
    unknown = "00000000-0000-0000-0000-000000000000"
    for arguments, word in [
        (["list", "--from", "2026-11-22T10:00:00"], "with an offset"),
        (["list", "--from", "2026-11-22T10:00:00Z", "--to", "2026-11-22T10:00:00Z"], "--from must be before --to"),
        (["list", "--limit", "0"], "--limit"),
        (["show", "nonsense"], "UUID"),
        (["show", unknown], "There is no dead letter"),
        (["replay", "--yes"], "--all"),
        (["replay", "--all", "--reason", "llm_error", "--yes"], "not several of them"),
        (["replay", unknown, "--all", "--yes"], "either IDs, or --reason ..., or --all: not several of them"),
        (["list", "--reason", "not_jsn"], "not_json"),
        (["replay", "--operation", "summarise", "--yes"], "summarize_aggregate"),
        (["replay", "--all"], "--yes"),
        (["replay", unknown, "--yes"], "There is no dead letter"),
    ]:
        says(*arguments).assert_one_sentence(word)
    none = r"No dead letters match \(\d+ in all\)\.\n"
    assert re.fullmatch(none, says("list", "--tenant", "nobody").out)
    assert re.fullmatch(
        rf"{none}dead-letters: matched=0 replayed=0 already=0 impossible=0\n",
        says("replay", "--reason", "blank_content", "--yes").out,
    )
    listed = says("list", "--reason", "not_json", "--limit", "1").out
    assert re.search(r"^ [0-9a-f-]{36} .* not_json ", listed, re.M)
    assert re.search(
        r"^\d+ dead letters, \d+ of them replayed \(the newest 1 are shown\): \d+ x not_json$", listed, re.M
    )
    late = says("list", "--reason", "unknown_framework").out
    assert re.search(r" unknown_framework +\S+ +yes +1 *$", late, re.M)
    assert late.endswith("1 dead letter, replayed: 1 x unknown_framework\n")
    assert re.fullmatch(none, says("list", "--reason", "unknown_framework", "--open").out)
    dry = says("replay", "--reason", "unknown_framework", "--dry-run")
    assert (dry.code, dry.out) == (
        0,
        "0 would be replayed.\n1 would be left out: 1 replayed already.\n"
        "dead-letters: matched=1 replayed=0 already=1 impossible=0 would_replay=0\n",
    )
