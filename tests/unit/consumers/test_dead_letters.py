"""Messages of the topic of dead letters: what is kept of them, and that none ever makes another one."""

import json
import logging

import pytest

from consumers.batches import BatchSettler, Progress
from consumers.codings import coding_tables
from consumers.dead_letters import dead_letter_tables, decode_dead_letter
from domain.errors import EmptyPayloadError, InputError, NotJSONError, UnknownVersionError, WrongSchemaError
from domain.ports import BatchOutcome, DeadLetterRow
from schemas.topics import READ_BESIDE_CALLS
from tests.builders import a_message
from tests.fakes import FakePublisher
from tests.unit.domain.dead_letters.test_register import a_letter

TOPIC = "feedback.dead-letters"
LETTER = json.loads(a_letter().to_bytes())


def message(value: object):
    return a_message(value if isinstance(value, bytes) or value is None else json.dumps(value).encode(), topic=TOPIC)


class Sink:
    """Keeps rows in memory, and refuses those whose reason says so."""

    def __init__(self) -> None:
        self.rows: dict[object, DeadLetterRow] = {}

    async def write(self, batch):
        refused = tuple(place for place, row in enumerate(batch) if row.reason == "refused")
        before = len(self.rows)
        for place, row in enumerate(batch):
            if place not in refused:
                self.rows.setdefault(row.dead_letter_id, row)
        return BatchOutcome(len(self.rows) - before, refused)


def test_whose_what_and_why_is_kept_and_nothing_of_what_it_carries():
    letter = a_letter()
    assert decode_dead_letter(message(letter.to_bytes())) == DeadLetterRow(
        letter.dead_letter_id,
        letter.tenant_id,
        letter.operation,
        letter.reason,
        letter.source.topic,
        letter.result_id,
        letter.failed_at,
    )


def test_a_text_that_the_schema_lets_through_and_no_table_takes_is_made_one_that_it_takes():
    odd = "\x00" + "x" * 10_000
    row = decode_dead_letter(
        message(LETTER | {"operation": odd, "reason": odd, "source": LETTER["source"] | {"topic": odd}})
    )
    assert {row.operation, row.reason, row.source_topic} == {"?" + "x" * 254}
    bare = {name: value for name, value in LETTER.items() if name not in ("operation", "tenant_id", "result_id")}
    row = decode_dead_letter(message(bare))
    assert (row.operation, row.tenant_id, row.result_id) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, EmptyPayloadError),
        (b"\xff", NotJSONError),
        (b"[]", NotJSONError),
        (b"{}", WrongSchemaError),
        (LETTER | {"schema_version": 2}, UnknownVersionError),
        (LETTER | {"dead_letter_id": "the last one"}, WrongSchemaError),
        (LETTER | {"tenant_id": "a\x00"}, WrongSchemaError),
        (LETTER | {"failed_at": "9999-12-31T23:59:59.999999Z"}, WrongSchemaError),
        (LETTER | {"failed_at": "0001-01-01T00:00:00+14:00"}, WrongSchemaError),
    ],
)
def test_what_is_no_dead_letter_has_a_reason(value, error):
    with pytest.raises(error):
        decode_dead_letter(message(value))


async def test_what_is_none_or_is_refused_makes_no_dead_letter_and_one_line_without_a_word_of_it(caplog):
    sink, publisher, progress = Sink(), FakePublisher(), Progress()
    settler = BatchSettler(dead_letter_tables(sink), publisher, progress)
    bad = [message(b"canary"), message(LETTER | {"reason": None, "message": "canary"}), message(None)]
    refused = message(LETTER | {"reason": "refused", "message": "canary"})

    with caplog.at_level(logging.DEBUG):
        await settler.settle([*bad, refused, message(LETTER), message(LETTER)])

    assert publisher.acknowledged == []
    assert (progress.stored, progress.repeated, progress.passed_over, progress.dead_lettered) == (1, 1, 4, 0)
    [line] = [record for record in caplog.records if record.name == "consumers.batches"]
    assert f"4 messages, the first at {bad[0].where} (not_json)" in line.getMessage()
    assert "canary" not in caplog.text


def test_what_is_read_beside_the_calls_is_what_the_registry_says():
    tables = {**coding_tables(Sink(), Sink()), **dead_letter_tables(Sink())}
    assert set(tables) == {topic.name for topic in READ_BESIDE_CALLS}
    assert [topic for topic, table in tables.items() if table.passed_over] == [TOPIC]


def test_no_word_of_a_message_is_told():
    with pytest.raises(InputError) as caught:
        decode_dead_letter(message(LETTER | {"result_id": "a secret", "secret": "a secret"}))
    assert "secret" not in caught.value.message
