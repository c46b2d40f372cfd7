"""Evidence of one story, and ways to change it: what breaches are made of."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from schemas.cloudevents import deterministic_id
from tests.chaos.checker import check
from tests.chaos.evidence import Evidence, Letter, Result, Vitals
from tests.chaos.healthy import KINDS, LETTERS, METRICS, RESULTS, TENANT, healthy, usage_of
from tests.chaos.invariants.accounts import of_tenant

STORY = healthy([*KINDS, "both", "retried", "one", "broken"], kills=(1, 10))
"""One input of each kind and more, each answered; commits, two kills, and three inputs that no commit came after."""

MIB = 2**20
Change = Callable[[Evidence], Evidence]


def event(kind: str, evidence: Evidence = STORY) -> str:
    """The event id of the last input of a kind."""
    return [given.event_id for given in evidence.inputs if given.event_id.startswith(f"{kind}-")][-1]


def result_of(kind: str, operation: str = "summarize") -> str:
    return str(deterministic_id(event(kind), operation))


def without(attribute: str, number: int) -> Change:
    def change(evidence: Evidence) -> Evidence:
        kept = list(getattr(evidence, attribute))
        del kept[number]
        return having(**{attribute: tuple(kept)})(evidence)

    return change


def plus(attribute: str, *more: object) -> Change:
    return lambda evidence: having(**{attribute: (*getattr(evidence, attribute), *more)})(evidence)


def altered(attribute: str, number: int, **fields: Any) -> Change:
    def change(evidence: Evidence) -> Evidence:
        values = list(getattr(evidence, attribute))
        values[number] = replace(values[number], **fields)
        return having(**{attribute: tuple(values)})(evidence)

    return change


def having(**fields: Any) -> Change:
    return lambda evidence: replace(evidence, **fields)


def both(*changes: Change) -> Change:
    def change(evidence: Evidence) -> Evidence:
        for each in changes:
            evidence = each(evidence)
        return evidence

    return change


def a_result(result_id: str, tenant: str = TENANT) -> Result:
    return Result((RESULTS["summarize"], 0, 9_999), result_id, tenant, "x")


def a_letter(kind: str, operation: str = "", **fields: Any) -> Letter:
    name, asked = event(kind), next(given for given in STORY.inputs if given.event_id == event(kind))
    letter = Letter(
        place=(LETTERS, 0, 9_999),
        dead_letter_id=str(deterministic_id(name, "dead_letter", operation)),
        result_id=str(deterministic_id(name, operation)) if operation else None,
        operation=operation or None,
        reason=asked.reason or "internal_error",
        tenant_id=asked.tenant_id,
        source=asked.place,
        sha256=asked.sha256,
    )
    return replace(letter, **fields)


def letter_number(kind: str) -> int:
    source = next(given.place for given in STORY.inputs if given.event_id == event(kind))
    return next(number for number, letter in enumerate(STORY.letters) if letter.source == source)


def input_number(kind: str) -> int:
    return next(number for number, given in enumerate(STORY.inputs) if given.event_id == event(kind))


def row_number(kind: str, status: int | None = 200) -> int:
    return max(
        number for number, row in enumerate(STORY.rows) if (row.record_id, row.http_status) == (event(kind), status)
    )


def fewer_told(evidence: Evidence) -> Evidence:
    """Both tellers say what the table holds, so that only the calls themselves are wrong."""
    told = usage_of(evidence.rows)
    return replace(evidence, told_by_api=told, told_by_sql=told)


def told(name: str, teller: str = "told_by_api", **fields: Any) -> Change:
    """A teller says another figure of something; without figures, nothing of it."""

    def change(evidence: Evidence) -> Evidence:
        usage = dict(getattr(evidence, teller))
        totals = usage.pop(name)
        return having(**{teller: usage | ({name: replace(totals, **fields)} if fields else {})})(evidence)

    return change


def moved_between_tenants(evidence: Evidence) -> Evidence:
    """The API counts a token for another tenant than SQL does; the grand total is right."""
    assert evidence.told_by_api is not None
    one, other = of_tenant(TENANT), of_tenant("other")
    tokens = evidence.told_by_api[one].input_tokens, evidence.told_by_api[other].input_tokens
    return both(told(one, input_tokens=tokens[0] - 1), told(other, input_tokens=tokens[1] + 1))(evidence)


def commit_moved(by: int) -> Change:
    def change(evidence: Evidence) -> Evidence:
        sample = evidence.samples[1]
        partition, offset = max(sample.committed.items())
        moved = replace(sample, committed={**sample.committed, partition: offset + by})
        return replace(evidence, samples=(evidence.samples[0], moved, *evidence.samples[2:]))

    return change


def one_repeat_too_many(evidence: Evidence) -> Evidence:
    verdict = check(evidence)
    more = verdict.allowed_repeats - verdict.repeats + 1
    return plus("messages", *[a_result(result_of("one"))] * more)(evidence)


def repeats_of_the_undisturbed(evidence: Evidence) -> Evidence:
    """As many repeats as there may be if all partitions were disturbed; and one of them was not."""
    verdict = check(evidence)
    more = [a_result(result_of("one"))] * (verdict.allowed_repeats - verdict.repeats)
    changed = plus("messages", *more)(evidence)
    assert check(changed).passed
    others = frozenset({("feedback.records", 1)})
    kills = tuple(replace(kill, partitions=others) for kill in evidence.disturbances)
    return replace(changed, disturbances=kills)


def in_log(text: str) -> Change:
    return having(texts={"worker.log": f"before {text} after"} | METRICS)


def grown(**fields: Any) -> Change:
    before = Vitals(200 * MIB, 100, 100)
    return having(vitals={"worker": (before, replace(before, **fields))})
