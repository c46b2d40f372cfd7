"""Cutting the records of a request into chunks: each record in exactly one, those of one topic and time together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.llm.tokens import estimated
from domain.prompts.envelope import feedback_record
from schemas.requests import RequestedRecord

_MOST_DIGITS = 999_999
_LAST = float("inf")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records that are read together.

    Attributes:
        number: from 1.
        records: numbered from 1 in their prompt, in this order.
    """

    number: int
    records: tuple[RequestedRecord, ...] = field(repr=False)


def fits(records: Sequence[RequestedRecord], budget: int) -> bool:
    """Whether all records go into one user message of so many tokens, envelopes counted."""
    total = 0
    for record in records:
        total += size_of(record)
        if total > budget:
            return False
    return True


def size_of(record: RequestedRecord) -> int:
    """How many tokens a record takes in a prompt: escaped, in its envelope, with a line break behind it."""
    return estimated(feedback_record(record.content, _MOST_DIGITS) + "\n")


def chunks_of(
    records: Sequence[RequestedRecord],
    budget: int,
    codes: Mapping[str, Sequence[str]],
    most_records: int | None = None,
) -> list[Chunk]:
    """Cut records into chunks, the same for the same records.

    They are ordered by their first known code, then by date, then by their position in the request, those without one
    behind the others, and packed in this order.

    Args:
        records: at least one.
        budget: tokens of one chunk; a record that takes more is a chunk of its own.
        codes: the codes of each record, by its id, as far as they are known.
        most_records: of one chunk; None: as many as fit.
    """
    order = sorted(range(len(records)), key=lambda position: (*_topic_and_date(records[position], codes), position))
    chunks: list[Chunk] = []
    taken: list[RequestedRecord] = []
    size = 0
    for position in order:
        record = records[position]
        added = size_of(record)
        if taken and (size + added > budget or len(taken) == most_records):
            chunks.append(Chunk(len(chunks) + 1, tuple(taken)))
            taken, size = [], 0
        taken.append(record)
        size += added
    chunks.append(Chunk(len(chunks) + 1, tuple(taken)))
    return chunks


def _topic_and_date(record: RequestedRecord, codes: Mapping[str, Sequence[str]]) -> tuple[bool, str, float]:
    known = codes.get(record.record_id) or ("",)
    return not known[0], known[0], _LAST if record.created_at is None else record.created_at.timestamp()
