"""Ways in which evidence can be wrong, each by its name, with the invariants that it breaks."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

from schemas.cloudevents import deterministic_id
from tests.chaos.checker import check
from tests.chaos.evidence import CallMessage, Evidence, Input, Letter, Result, Served, Vitals
from tests.chaos.healthy import BOTH, KINDS, LETTERS, RESULTS, SECRET, TENANT, healthy

STORY = healthy([*KINDS, "both", "retried", "one", "one", "broken"], kills=(1, 10))
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


def row_number(kind: str, status: int | None = 200) -> int:
    return max(
        number for number, row in enumerate(STORY.rows) if (row.record_id, row.http_status) == (event(kind), status)
    )


def fewer_told(evidence: Evidence) -> Evidence:
    """Both tellers say what the table holds, so that only the calls themselves are wrong."""
    assert evidence.told_by_sql is not None
    told = replace(evidence.told_by_sql, calls=len(evidence.rows))
    return replace(evidence, told_by_api=told, told_by_sql=told)


def another_total(evidence: Evidence) -> Evidence:
    assert evidence.told_by_api is not None
    return replace(evidence, told_by_api=replace(evidence.told_by_api, cost_usd=Decimal(1)))


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


def in_log(text: str) -> Change:
    return having(texts={"worker.log": f"before {text} after", "metrics": ""})


def grown(**fields: Any) -> Change:
    before = Vitals(200 * MIB, 100, 100)
    return having(vitals={"worker": (before, replace(before, **fields))})


LAST = len(STORY.messages) - 1
EARLY = next(n for n, message in enumerate(STORY.messages) if message.result_id == result_of("half"))
A_200 = next(number for number, served in enumerate(STORY.served) if served.status == 200)
REFUSED = next(
    number for number, served in enumerate(STORY.served) if (served.subject, served.status) == (event("retried"), 500)
)
CALL = next(message for message in STORY.topic_calls if message.call and message.call.call_id == "call-0")
BREACHES: dict[str, tuple[str, Change]] = {
    "a result is gone": ("I1", without("messages", LAST)),
    "a result is gone behind a commit": ("I1 I6", without("messages", EARLY)),
    "a dead letter is gone": ("I1 I7", without("letters", letter_number("broken"))),
    "one of two dead letters is gone behind a commit": ("I1 I6", without("letters", letter_number("refused"))),
    "a replay brought nothing": (
        "I1",
        having(messages=tuple(message for message in STORY.messages if message.result_id != result_of("replayed"))),
    ),
    "an input was never answered": (
        "I1",
        plus("inputs", Input(("feedback.records", 0, 9_999), "unanswered", TENANT, BOTH, "0" * 64)),
    ),
    "an input that has no operations was never answered": (
        "I1",
        plus("inputs", Input(("feedback.records", 0, 9_999), "unanswered", None, (), None)),
    ),
    "a result and a dead letter": ("I1 I7", plus("letters", a_letter("one", "summarize"))),
    "a result beside the dead letter that was called for": ("I1", plus("messages", a_result(result_of("refused")))),
    "a dead letter for the whole beside one for an operation": ("I1", plus("letters", a_letter("refused"))),
    "a dead letter for the whole beside a result": (
        "I1",
        both(having(outcome_may_change=True), plus("letters", a_letter("one"))),
    ),
    "a result of nobody's": ("I2", plus("messages", a_result(str(deterministic_id("foreign", "summarize"))))),
    "a result of an operation that was not asked for": ("I2", plus("messages", a_result(result_of("one", BOTH[0])))),
    "a dead letter of nobody's": ("I2", plus("letters", a_letter("one", dead_letter_id="foreign"))),
    "a result of another tenant": ("I2", altered("messages", 3, tenant_id="tenant-2")),
    "a dead letter of another tenant": ("I2", altered("letters", letter_number("half"), tenant_id="tenant-2")),
    "a dead letter of no tenant": ("I2", altered("letters", letter_number("half"), tenant_id=None)),
    "a dead letter from elsewhere": (
        "I2",
        altered("letters", letter_number("broken"), source=("feedback.records", 1, 9_999)),
    ),
    "a dead letter from another input's place": (
        "I2",
        altered("letters", letter_number("broken"), source=STORY.inputs[0].place),
    ),
    "a dead letter that names another operation": (
        "I2",
        altered("letters", letter_number("half"), operation="summarize"),
    ),
    "a dead letter that names another result": ("I2", altered("letters", letter_number("half"), result_id="foreign")),
    "one repeat too many": ("I3", one_repeat_too_many),
    "repeats, and nothing was disturbed": (
        "I3",
        having(disturbances=(), served=tuple(each for each in STORY.served if each.status is not None)),
    ),
    "an attempt that the provider did not see": ("I4", without("served", A_200)),
    "an attempt without a row": ("I4", plus("served", Served(event("one"), "summarize", 1, 2, 200))),
    "a hung attempt without a row, and no kill near it": (
        "I4",
        plus("served", Served(event("one"), "summarize", 9_990, 9_999, None)),
    ),
    "attempts without rows in what was no kill": (
        "I4",
        having(disturbances=tuple(replace(each, kind="stop") for each in STORY.disturbances)),
    ),
    "more attempts without rows than were in flight": (
        "I4",
        plus("served", *[Served(event("one"), "summarize", 1, None, None)] * 5),
    ),
    "more tokens stored than served": ("I4", altered("rows", row_number("one"), input_tokens=9_999)),
    "fewer tokens stored than served": ("I4", altered("rows", row_number("one"), output_tokens=6)),
    "tokens served and stored as unknown": ("I4", altered("rows", row_number("one"), input_tokens=None)),
    "another cost": ("I4", altered("rows", row_number("both"), cost_usd=Decimal("0.000000001"))),
    "a row for another operation": ("I4", altered("rows", row_number("one"), operation="assign_codes")),
    "a row and its call that no provider saw": (
        "I4",
        both(
            plus("rows", replace(STORY.rows[0], call_id="new")),
            plus("topic_calls", CallMessage(("llm.calls", 0, 9_999), replace(STORY.rows[0], call_id="new"))),
            fewer_told,
        ),
    ),
    "a row and its call are gone": (
        "I4",
        both(
            having(rows=tuple(row for row in STORY.rows if row.call_id != "call-0")),
            having(topic_calls=tuple(message for message in STORY.topic_calls if message != CALL)),
            fewer_told,
        ),
    ),
    "a failed attempt that the provider did not see": (
        "I4",
        without("served", REFUSED),
    ),
    "a row is there twice": ("I5", both(plus("rows", STORY.rows[0]), fewer_told)),
    "a row is there twice, and nobody counted": ("I5", plus("rows", STORY.rows[0])),
    "a row is gone": ("I4 I5", both(without("rows", row_number("one")), fewer_told)),
    "a row of a call that never reached the provider is gone": (
        "I5",
        both(without("rows", row_number("unreached", None)), fewer_told),
    ),
    "a call is gone from the topic": ("I5", without("topic_calls", STORY.topic_calls.index(CALL))),
    "a call is stored and a dead letter": (
        "I5",
        plus("letters_of_calls", replace(STORY.letters_of_calls[0], source=CALL.place)),
    ),
    "a bad message is no dead letter": ("I5", without("letters_of_calls", 0)),
    "a call is neither stored nor a dead letter": ("I5", without("letters_of_calls", 1)),
    "a dead letter of no call": (
        "I5",
        plus("letters_of_calls", replace(STORY.letters_of_calls[0], source=("llm.calls", 0, 9_999))),
    ),
    "the API's total is another": (
        "I5",
        another_total,
    ),
    "the API was not asked": ("I5", having(told_by_api=None)),
    "a commit went one too far": ("I6", commit_moved(1)),
    "a commit came before its outcomes": (
        "I6",
        lambda evidence: replace(evidence, samples=(replace(evidence.samples[0], ends={}), *evidence.samples[1:])),
    ),
    "a commit passed one of two outcomes": (
        "I6",
        lambda evidence: replace(
            evidence,
            samples=(
                replace(evidence.samples[0], ends={**evidence.samples[0].ends, (RESULTS["summarize"], 0): 0}),
                *evidence.samples[1:],
            ),
        ),
    ),
    "a dead letter for another reason": ("I7", altered("letters", letter_number("broken"), reason="internal_error")),
    "a dead letter of an input that should have a result": (
        "I7",
        both(
            having(messages=tuple(message for message in STORY.messages if message.result_id != result_of("one"))),
            plus("letters", a_letter("one", "summarize")),
        ),
    ),
    "the dead letter of a replayed input is gone": ("I7", without("letters", letter_number("replayed"))),
    "a dead letter with other bytes": ("I7", altered("letters", letter_number("half"), sha256="0" * 64)),
    "a dead letter without its bytes": ("I7", altered("letters", letter_number("half"), sha256=None)),
    "a dead letter with bytes of a null": ("I7", altered("letters", letter_number("null"), sha256="0" * 64)),
    "a secret in a log": ("I8", in_log(SECRET)),
    "a secret in JSON": ("I8", in_log(json.dumps(f"x{SECRET}y"))),
    "a secret in readable JSON": ("I8", in_log(json.dumps(SECRET, ensure_ascii=False))),
    "a secret in JSON in JSON": ("I8", in_log(json.dumps(json.dumps(SECRET)))),
    "a secret in base64": ("I8", in_log(b64encode(f"{SECRET} and more".encode()).decode())),
    "a secret in base64, one byte on": ("I8", in_log(b64encode(f"x{SECRET} and more".encode()).decode())),
    "a secret in base64, two bytes on": ("I8", in_log(b64encode(f"xx{SECRET}".encode()).decode())),
    "a secret in base64 for URLs": ("I8", in_log(urlsafe_b64encode(f"xy{SECRET}~".encode()).decode())),
    "a secret in a URL": ("I8", in_log(quote(SECRET))),
    "a secret in a URL's path": ("I8", in_log(quote(SECRET, safe="").lower())),
    "a secret in a form": ("I8", in_log(quote_plus(SECRET))),
    "memory grew by 11 %": ("I8", grown(memory=222 * MIB)),
    "descriptors grew by 11 %": ("I8", grown(descriptors=111)),
    "tasks grew by 11 %": ("I8", grown(tasks=111)),
}
