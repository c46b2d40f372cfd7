"""I5: every call on `llm.calls` is accounted for once, and both tellers of usage say the same."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

from tests.chaos.evidence import Call, Evidence, Totals
from tests.chaos.invariants.book import where
from tests.chaos.invariants.calls import without_database

EVERYTHING = "everything"
"""The name of the grand total."""


def topic_equals_table(evidence: Evidence) -> Iterator[str]:
    """I5: each message with a call is stored xor a dead letter; each without is a dead letter.

    Of several messages with one call id one is stored, and any other may be a dead letter.
    """
    if without_database(evidence):
        return
    stored = {row.call_id for row in evidence.rows}
    refused = {letter.source for letter in evidence.letters_of_calls}
    kept = Counter(
        message.call.call_id for message in evidence.topic_calls if message.call and message.place not in refused
    )
    for message in evidence.topic_calls:
        is_refused, at = message.place in refused, where(message.place)
        if message.call is None:
            if not is_refused:
                yield f"the message at {at} tells of no call, and is no dead letter"
        elif message.call.call_id not in stored:
            if not is_refused:
                yield f"call {message.call.call_id} at {at} is neither stored nor a dead letter"
        elif is_refused and not kept[message.call.call_id]:
            yield f"call {message.call.call_id} at {at} is stored and a dead letter"


def table_from_topic(evidence: Evidence) -> Iterator[str]:
    """I5: each row and each dead letter of a call comes from a message, and no call is stored twice."""
    told = {message.call.call_id for message in evidence.topic_calls if message.call}
    for call_id, times in Counter(row.call_id for row in evidence.rows).items():
        if call_id not in told:
            yield f"call {call_id} is stored, and stands nowhere on the topic"
        if times > 1:
            yield f"call {call_id} is stored {times} times"
    there = {message.place for message in evidence.topic_calls}
    for letter in evidence.letters_of_calls:
        if letter.source not in there:
            yield f"dead letter {letter.dead_letter_id} at {where(letter.place)} is of no message on the topic"


def totals_agree(evidence: Evidence) -> Iterator[str]:
    """I5: of everything, of each tenant and of each operation the API says what SQL says.

    Those are all tenants and operations that have rows, and everything is as many calls as there are rows.
    """
    api, sql = evidence.told_by_api, evidence.told_by_sql
    if api is None and sql is None:
        return
    if api is None or sql is None:
        yield f"totals differ: only {'SQL' if api is None else 'the API'} was asked"
        return
    for name in sorted({*api, *sql, *parts_of(evidence.rows)}):
        if name not in api or name not in sql:
            yield f"totals differ: of {name} only {_tellers(name, api, sql)} tells"
        elif api[name] != sql[name]:
            yield f"totals of {name} differ: {_difference(api[name], sql[name])}"
    if EVERYTHING in sql and sql[EVERYTHING].calls != len(evidence.rows):
        yield f"SQL counts {sql[EVERYTHING].calls} calls, there are {len(evidence.rows)} rows"


def parts_of(rows: Iterable[Call]) -> set[str]:
    """What totals there are to be, by their names."""
    return {EVERYTHING} | {part for row in rows for part in (of_tenant(row.tenant_id), of_operation(row.operation))}


def of_tenant(tenant_id: str) -> str:
    """The name of a tenant's totals."""
    return f"tenant {tenant_id}"


def of_operation(operation: str) -> str:
    """The name of an operation's totals."""
    return f"operation {operation}"


def _tellers(name: str, api: Mapping[str, Totals], sql: Mapping[str, Totals]) -> str:
    return "the API" if name in api else "SQL" if name in sql else "nobody"


def _difference(api: Totals, sql: Totals) -> str:
    told = [(field.name, getattr(api, field.name), getattr(sql, field.name)) for field in fields(Totals)]
    return ", ".join(f"{name} is {one} by the API and {other} by SQL" for name, one, other in told if one != other)
