"""Odd messages on `llm.calls`, among good ones."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import uuid4

from schemas.llm_calls import IMPLAUSIBLE_USAGE
from schemas.topics import LLM_CALLS
from tests.chaos.catalogue import case
from tests.chaos.evidence import Input, Place
from tests.chaos.foreign import all_calls_committed, publish_calls, stored
from tests.chaos.stage import Stage, fetch
from tests.usage_support import llm_call

Row = dict[str, Any]
_FIGURES = ("input_tokens", "output_tokens", "cache_read_input_tokens", "reasoning_output_tokens", "cost_usd")
_NOT_BELIEVED: Row = dict.fromkeys(_FIGURES) | {"cost_source": IMPLAUSIBLE_USAGE}
_COST_NOT_BELIEVED: Row = {"input_tokens": 900, "cost_usd": None, "cost_source": IMPLAUSIBLE_USAGE}
_LARGEST = 2**63


@dataclass(frozen=True)
class _Odd:
    """A message, and what it must become: a dead letter of this reason, or a row with these columns."""

    value: bytes | None
    reason: str | None = None
    row: Row | None = None
    call_id: str = ""


@case("odd-events", quick=True)
async def odd_events(stage: Stage) -> None:
    """NUL, lone surrogates, overflows, NaN, impossible times, no JSON: each is stored, or a dead letter that says why.

    All of them wait with good ones when the consumer starts, and so stand in batches together.
    """
    odd = list(_odd())
    stage.foreign_calls.update(each.call_id for each in odd)
    before, published = await publish_calls(stage, 200), await _publish(stage, odd)
    after = await publish_calls(stage, 200)
    consumer = await stage.consumer()
    await all_calls_committed(stage)
    await stage.worker()
    await stage.inputs.publish(20)
    await stage.settled()
    assert await stored(stage, [*before, *after]) == 400
    assert consumer.alive
    _judge_letters(stage, published)
    await _judge_rows(stage, odd)


async def _publish(stage: Stage, odd: list[_Odd]) -> dict[Place, tuple[_Odd, Input]]:
    """All on one partition, as closely together as it goes."""
    sent = [stage.inputs.publish_value(each.value, topic=LLM_CALLS.name, partition=0) for each in odd]
    return {given.place: (each, given) for each, given in zip(odd, await asyncio.gather(*sent), strict=True)}


def _judge_letters(stage: Stage, published: dict[Place, tuple[_Odd, Input]]) -> None:
    """Each refused message has one dead letter, of its reason and with its bytes; no other has one."""
    letters = [letter for letter in stage.sightings.letters if letter.source[0] == LLM_CALLS.name]
    told = {letter.source: letter.reason for letter in letters}
    wanted = {place: each.reason for place, (each, _) in published.items() if each.reason}
    wrong = {
        place: (told.get(place), wanted.get(place)) for place in told | wanted if told.get(place) != wanted.get(place)
    }
    assert not wrong, f"told and wanted differ: {wrong}"
    assert len(letters) == len(told)
    for letter in letters:
        value = published[letter.source][0].value
        assert letter.sha256 == (None if value is None else sha256(value).hexdigest())


async def _judge_rows(stage: Stage, odd: list[_Odd]) -> None:
    rows = {str(row["call_id"]): row for row in await fetch(stage.database, "SELECT * FROM llm_calls")}
    for each in odd:
        assert (each.call_id in rows) == (each.row is not None), f"{each.value!r} is stored: {each.call_id in rows}"
        for name, value in (each.row or {}).items():
            assert rows[each.call_id][name] == value, f"{name} of {each.value!r} is {rows[each.call_id][name]!r}"


def _odd() -> Iterator[_Odd]:
    yield from _no_objects()
    yield from (_changed(change, "wrong_schema") for change in _against_the_schema())
    yield from (_changed(change, "not_storable") for change in _refused_by_the_database())
    yield from (_changed(change, row=row) for change, row in _stored())
    yield _changed({"schema_version": 2}, "unknown_version")
    yield from (_changed(change, "not_json") for change in _no_numbers())


def _no_objects() -> Iterator[_Odd]:
    yield _Odd(None, "empty_payload")
    yield _Odd(b"", "empty_payload")
    for value in (b"null", b"[]", b'"call"', b"17", b"no JSON", b'{"call_id": ', b"\xff\xfe{}", b"[" * 5_000):
        yield _Odd(value, "not_json")
    yield _changed({"provider": "\ud800"}, "not_json")
    whole = llm_call(provider="SURROGATE").to_bytes()
    yield _Odd(whole.replace(b"SURROGATE", b"\xed\xa0\x80"), "not_json")


def _against_the_schema() -> Iterator[Row]:
    yield {"call_id": None}
    yield {"call_id": "17"}
    for name in ("tenant_id", "operation", "record_id"):
        yield {name: "a\0b"}
    for name in ("timestamp", "invocation_started_at"):
        for moment in (
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "2026-02-30T12:00:00Z",
            "2026-11-20T12:00:00",
            "2026-11-20T25:00:00Z",
            "-infinity",
            1_763_640_000,
        ):
            yield {name: moment}
    for figure in (-1, -_LARGEST, "many", [1], 0.5):
        yield {"input_tokens": figure}
    for amount in (-1, "NaN", "Infinity", "-1e400", "sNaN", "a lot"):
        yield {"cost_usd": amount}
    yield {"attempt": 2**31}
    yield {"attempt": 0}
    yield {"http_status": _LARGEST}
    yield {"call_duration_ms": -1}
    yield {"status": "perhaps"}


def _refused_by_the_database() -> Iterator[Row]:
    for name in ("provider", "request_model", "model", "cost_source", "error_class", "prompt_version"):
        yield {name: "a\0b"}


def _stored() -> Iterator[tuple[Row, Row]]:
    for text in ("somebody else's", "переклад", "🚰" * 50):
        yield {"operation": text}, {"operation": text}
    yield {"colour": "red"}, {"operation": "assign_codes"}
    for figure in (10**15, _LARGEST - 1, _LARGEST, 2**64, "1e30", 10**400):
        yield {"input_tokens": figure}, _NOT_BELIEVED
    yield {"reasoning_output_tokens": _LARGEST}, _NOT_BELIEVED
    for amount in ("10000.01", "1000000", "1e400", 10**400):
        yield {"cost_usd": amount}, _COST_NOT_BELIEVED
    yield {"cost_usd": "0.0000000000005"}, {"cost_usd": Decimal(0)}
    yield {"cost_usd": "0.0000000000015"}, {"cost_usd": Decimal("0.000000000002")}
    yield {"input_tokens": None, "cost_usd": None}, {"input_tokens": None, "cost_usd": None}


def _no_numbers() -> Iterator[Row]:
    """As Python writes them, against JSON's own rules."""
    for figure in (float("nan"), float("inf"), float("-inf")):
        yield {"cost_usd": figure}
        yield {"call_duration_ms": figure}


def _changed(change: Row, reason: str | None = None, row: Row | None = None) -> _Odd:
    call_id = str(uuid4())
    whole = json.loads(llm_call(call_id=call_id).to_bytes())
    return _Odd(json.dumps(whole | change).encode(), reason, row, call_id)
