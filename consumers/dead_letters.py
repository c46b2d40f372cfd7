"""`feedback.dead-letters` -> the table `dead_letters`: what is counted of them, and nothing of what they carry.

What is no dead letter is passed over, as is one whose row the table refuses: a dead letter about it would be the next
message here, and the one about that the next again.
"""

from consumers.batches import Table, Tables
from domain.delivery.decoding import read_event
from domain.delivery.messages import InboundMessage
from domain.ports import DeadLetterRow, DeadLetterSink
from schemas.dead_letters import DeadLetter
from schemas.topics import DEAD_LETTERS

MOST_CHARACTERS = 255
"""Of a text in a row: longer ones, which none of ours is, are cut."""


def dead_letter_tables(sink: DeadLetterSink, topic: str = DEAD_LETTERS.name) -> Tables:
    """The one table, of the one topic."""
    return {topic: Table("dead letter", decode_dead_letter, sink, passed_over=True)}


def decode_dead_letter(message: InboundMessage) -> DeadLetterRow:
    """The row of the dead letter that a message carries: one that the table takes, whatever the schema lets through.

    Raises:
        InputError: it carries none; the subclass has the reason, the message no word of the input.
    """
    letter = read_event(message.value, DeadLetter)
    return DeadLetterRow(
        dead_letter_id=letter.dead_letter_id,
        tenant_id=letter.tenant_id,
        operation=None if letter.operation is None else _storable(letter.operation),
        reason=_storable(letter.reason),
        source_topic=_storable(letter.source.topic),
        result_id=letter.result_id,
        failed_at=letter.failed_at,
    )


def _storable(text: str) -> str:
    return text[:MOST_CHARACTERS].replace("\x00", "?")
