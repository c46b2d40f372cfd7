"""Ways in which evidence can be wrong, each by its name, with the invariants that it breaks."""

import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from decimal import Decimal
from urllib.parse import quote, quote_plus

from schemas.cloudevents import deterministic_id
from tests.chaos.changes import (
    MIB,
    STORY,
    Change,
    a_letter,
    a_result,
    altered,
    both,
    commit_moved,
    event,
    fewer_told,
    grown,
    having,
    in_log,
    input_number,
    letter_number,
    moved_between_tenants,
    one_repeat_too_many,
    plus,
    repeats_of_the_undisturbed,
    result_of,
    row_number,
    told,
    without,
)
from tests.chaos.evidence import CallMessage, Input, Served
from tests.chaos.healthy import BOTH, METRICS, RESULTS, SECRET, TENANT
from tests.chaos.invariants.accounts import EVERYTHING, of_operation, of_tenant

LAST = len(STORY.messages) - 1
EARLY = next(n for n, message in enumerate(STORY.messages) if message.result_id == result_of("half"))
A_200 = next(number for number, served in enumerate(STORY.served) if served.status == 200)
REFUSED = next(
    number for number, served in enumerate(STORY.served) if (served.subject, served.status) == (event("retried"), 500)
)
CUT = [each for each in STORY.served if each.status is None and not each.subject.startswith("hung-")]
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
    "repeats of what was not disturbed": ("I3", repeats_of_the_undisturbed),
    "repeats, and nothing was disturbed": (
        "I3",
        having(disturbances=(), served=tuple(each for each in STORY.served if each not in CUT)),
    ),
    "an attempt that the provider did not see": ("I4", without("served", A_200)),
    "an attempt without a row": ("I4", plus("served", Served(event("one"), "summarize", 1, 2, 200))),
    "an attempt without a row, beside a row that never reached the provider": (
        "I4",
        plus("served", Served(event("unreached"), "summarize", 1, 2, 500)),
    ),
    "an attempt without a row, beside a row of one that was hung up on": (
        "I4",
        plus("served", Served(event("hung"), "summarize", 1, 2, 500)),
    ),
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
    "the API's total is another": ("I5", told(EVERYTHING, cost_usd=Decimal(1))),
    "the API counts a token for another tenant": ("I5", moved_between_tenants),
    "the API counts no token for an operation": ("I5", told(of_operation("summarize"), output_tokens=0)),
    "the API counts one failure more for an operation": ("I5", told(of_operation("transcribe"), failed=1)),
    "the API leaves out a tenant": ("I5", told(of_tenant("other"))),
    "SQL leaves out an operation": ("I5", told(of_operation("transcribe"), "told_by_sql")),
    "both leave out a tenant": (
        "I5",
        both(told(of_tenant("other")), told(of_tenant("other"), "told_by_sql")),
    ),
    "both leave out the grand total": ("I5", both(told(EVERYTHING), told(EVERYTHING, "told_by_sql"))),
    "SQL was not asked": ("I5", having(told_by_sql=None)),
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
    "nobody looked at commits": ("I6", having(samples=(), watched_seconds=0.0)),
    "commits were looked at too seldom": ("I6", having(watched_seconds=3.0 * len(STORY.samples) + 1)),
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
    "a dead letter of a large input without the bytes that it could carry": (
        "I7",
        altered("inputs", input_number("large"), uncarried=False),
    ),
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
    "nobody looked at a worker": ("I8", having(vitals={})),
    "nobody looked at one of two workers": (
        "I8",
        having(watched=("worker", "worker-2"), texts=METRICS | {"metrics of worker-2, 1": "feedback_in_flight 0\n"}),
    ),
    "nobody read a worker's metrics": ("I8", having(texts={"metrics of worker-2, 1": "feedback_in_flight 0\n"})),
    "a worker's metrics say nothing": ("I8", having(texts=dict.fromkeys(METRICS, ""))),
    "memory grew by 11 %": ("I8", grown(memory=222 * MIB)),
    "descriptors grew by 11 %": ("I8", grown(descriptors=111)),
    "tasks grew by 11 %": ("I8", grown(tasks=111)),
}
