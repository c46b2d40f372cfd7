"""A model that does what a text tells it: its answer is refused, or cut to the schema and to ids that there are."""

import json
from functools import partial

import pytest

from domain.errors import InvalidOutputError
from domain.llm.conversation import complaint
from domain.operations import analyze, judge, questions
from domain.operations.many import summarize_aggregate, themes
from schemas.sensitivity import SensitiveType
from tests.builders import TENANT, a_record
from tests.injections import ATTEMPTS, OF_THEIR_OWN, ORDERS
from tests.unit.domain.injections.prompts import (
    CODES,
    NARROWED,
    OUTLINE,
    RESULTS,
    analysis,
    batch,
    is_shown,
    summary_of_many,
)
from tests.unit.domain.operations.many.support import MADE


def of_record(question):
    return lambda said: question.result(question.parse(said), MADE)


def analysed(said):
    return analyze.result(analysis(), analyze.parse(said), MADE)


def summarised(said):
    overview = themes.parse(said, records=2)
    found = [themes.Theme(one.title, one.summary, tuple(n - 1 for n in one.members)) for one in overview.themes]
    summary = summarize_aggregate.Summary(overview.title, found, range(2))
    return summarize_aggregate.result(summary_of_many(), summary, MADE)


def judged(said):
    return judge.result(RESULTS["summary"]("Dry."), judge.parse(said), MADE)


ANSWERED = {
    "assign_codes": of_record(questions.coding(a_record(), OUTLINE)),
    "assign_codes, narrowed": of_record(questions.coding(a_record(), NARROWED)),
    "summarize": of_record(questions.summary(a_record())),
    "detect_sensitive": of_record(questions.sensitivity(a_record())),
    "analyze": analysed,
    "summarize_aggregate": summarised,
    "judge": judged,
}
"""The result of an answer, by operation."""

ELSEWHERE = {
    "tenant_id": "other-tenant",
    "record_id": "another",
    "request_id": "another",
    "result_id": "00000000-0000-0000-0000-000000000009",
    "framework_id": "another",
    "model": "a better one",
    "prompt_version": "mine",
    "completed_at": "1999-01-01T00:00:00Z",
    "records_given": 10**6,
    "coverage_of_records": 1,
    "score": 1.0,
    "extra": True,
    "privacy": None,
    "inputs": [{"topic": "other", "partition": 0, "offset": 0}],
    "narrowed": {"codes_shown": 1, "codes_total": 1},
    "system": "Obey.",
    "__class__": "Result",
}
"""What is not a model's to say."""


def unknown_ids(text):
    """Answers in the shape of some operation that name what there is not, or too much; right for none."""
    code = {"id": "1.1.1", "confidence": [1, 1, 1], "reason": text}
    theme = {"title": "Obey", "summary": text}
    return [
        {"codes": [{"id": "9.9.9", "confidence": [1.0], "reason": text}]},
        {"codes": [{"id": text, "confidence": [1.0], "reason": text}]},
        {"codes": [code, {"id": "9.9.9", "confidence": [1, 1, 1], "reason": text}]},
        {"codes": [code | {"confidence": [9, 1, 1]}]},
        {"codes": text},
        {"findings": [{"type": "invented", "confidence": 1, "reason": text}], "sensitive": False},
        {"findings": [{"type": text, "confidence": 1, "reason": text}]},
        {"findings": {text: text}},
        {"title": "Obey", "bullets": [text] * 6},
        {"title": "a " * 13 + text, "bullets": [text]},
        {"answer": text, "confidence": 7},
        {"answer": {text: text}, "confidence": 1},
        {"title": "Obey", "themes": [theme | {"records": [1, 2, 3]}]},
        {"title": "Obey", "themes": [theme | {"records": ["a", "other-record"]}]},
        {"title": "Obey", "themes": [theme | {"record_ids": ["other-record"]}]},
        {"faithfulness": 2, "coverage": 1, "clarity": 1},
        {"faithfulness": "1.0", "coverage": text, "clarity": 1},
        [text],
        text,
        None,
    ]


def right_but_more(operation, text):
    """Right answers that hold the text wherever the model may write, and more than was asked."""
    codes = [{"id": "1", "confidence": [1.0], "reason": text, **ELSEWHERE}]
    theme = {"title": "Obey", "summary": text, "records": [1], "record_ids": ["other"], "count": 99, **ELSEWHERE}
    right = {
        "assign_codes": [{"codes": codes}, {"codes": [], "abstained_because": text}],
        "summarize": [{"title": "Obey", "bullets": [text, text]}],
        "detect_sensitive": [{"findings": [{"type": "fraud", "level": "low", "confidence": 0, "reason": text}]}],
        "analyze": [{"answer": text, "confidence": 1, "coverage": 7, "chunks": 99, "trend": {"codes": []}}],
        "summarize_aggregate": [{"title": "Obey", "themes": [theme], "other_record_ids": ["other"]}],
        "judge": [{"faithfulness": 0, "coverage": 0, "clarity": 0}],
    }
    return [ELSEWHERE | answer for answer in right[operation.partition(",")[0]]]


def texts_of(value):
    """All strings in a result."""
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in texts_of(child)]


def check(result):
    """That nothing in a result is of the model's making but what it was asked for."""
    assert type(result).model_validate_json(result.to_bytes()) == result
    assert (result.tenant_id, result.model) == (TENANT, MADE.model)
    assert (result.prompt_version, result.invocation_id) == (MADE.prompt_version, MADE.invocation_id)
    assert (result.completed_at, result.result_id) == (MADE.completed_at, MADE.result_id)
    assert getattr(result, "record_id", "record-1") == "record-1"
    assert getattr(result, "request_id", "request-1") in ("request-1", "request-2")
    assert getattr(result, "records_given", 2) == 2
    assert getattr(result, "inputs", ()) == ()
    assert {step.id for coded in getattr(result, "codes", ()) for step in coded.path} <= CODES
    for finding in getattr(result, "findings", ()):
        assert finding.type in SensitiveType
        assert finding.level == finding.type.level
    named = [one for theme in getattr(result, "themes", ()) for one in theme.record_ids]
    assert set(named) | set(getattr(result, "other_record_ids", ())) <= {"a", "b"}
    assert all(map(is_shown, texts_of(json.loads(result.to_bytes()))))


@pytest.mark.parametrize("operation", ANSWERED)
def test_an_answer_that_obeys_is_no_result(operation):
    answer = ANSWERED[operation]
    for name, attempt in ATTEMPTS.items():
        for wrong in unknown_ids(attempt):
            with pytest.raises(InvalidOutputError) as refused:
                answer(json.dumps(wrong))
            assert_ours(refused.value, attempt, name)
        try:
            check(answer(attempt))
        except InvalidOutputError as error:
            assert_ours(error, attempt, name)


def assert_ours(error, attempt, name):
    """What a model is told of its answer is in our words: an attempt in the answer does not come back to it."""
    said = complaint(error)
    assert said.isascii(), name
    assert not {"<", ">"} & set(said), name
    assert "\n" not in said, name
    assert attempt not in said, name
    assert not any(order[:20] in said for order in ORDERS.values()), name


@pytest.mark.parametrize("operation", ANSWERED)
def test_a_right_answer_that_says_more_is_cut_to_the_schema(operation):
    for name, attempt in ATTEMPTS.items():
        for said in right_but_more(operation, attempt):
            result = ANSWERED[operation](json.dumps(said))
            check(result)
            assert getattr(result, "score", 0) == 0, name


HONEST = {"confidence": [1.0], "reason": "Honest."}


def honest(own, number):
    return {"record": number, "check": own.checks[number - 1], "codes": [{"id": "2", **HONEST}]}


def lies(own, text):
    """What a model may add when the first of three records tells it what to say of the others."""
    obeyed = {"codes": [{"id": "1", "confidence": [1.0], "reason": text}], "tenant_id": "other-tenant"}
    mine = own.checks[0]
    yield [{"record": 2, "check": mine, **obeyed}]
    yield [{"record": 2, "check": "bcd", **obeyed}]
    yield [{"record": 2, **obeyed}]
    yield [{"record": "2", "check": text, **obeyed}]
    yield [{"record": text, "check": own.checks[1], **obeyed}]
    yield [{"record": 1, "check": own.checks[1], **obeyed}, {"record": 2, "check": mine, **obeyed}]
    yield [{"record": 1, "check": mine, "records": [{"record": 2, "check": own.checks[1], **obeyed}], **obeyed}]
    yield [{"record": 1, "check": mine, "codes": [{"id": "9.9.9", "confidence": [1], "reason": text}]}]
    yield [{"record": 1, "check": mine, "codes": text}]
    yield [{"record": 999, "check": mine, **obeyed}, text, None, [obeyed]]


def test_a_lie_in_a_batch_reaches_no_other_record():
    for name, attempt in ATTEMPTS.items():
        own = batch(attempt, "Thanks!", "Thank you!")
        for lie in lies(own, attempt):
            for entries in ([*lie, honest(own, 2), honest(own, 3)], [honest(own, 3), honest(own, 2), *lie]):
                codings = own.parse(json.dumps({"records": entries, **ELSEWHERE}))
                for coding in filter(None, codings[1:]):
                    assert [coded.path[-1].id for coded in coding.codes] == ["thanks"], name
                    assert [coded.reason for coded in coding.codes] == ["Honest."], name
                assert codings[2], "nobody spoke of the third record"
                codes = {coded.path[-1].id for coding in filter(None, codings) for coded in coding.codes}
                assert codes <= CODES, name


async def test_the_offline_model_answers_every_attempt_in_schema():
    from adapters.offline.provider import OfflineModel
    from tests.builders import an_attempt
    from tests.unit.domain.injections.prompts import OF_A_RECORD, PLACES

    model = OfflineModel()
    asked = {name: PLACES[name][0] for name in ANSWERED if name in PLACES and name in {*OF_A_RECORD, "analyze"}}
    asked |= {"summarize_aggregate": PLACES["summarize_aggregate"][0], "judge": PLACES["summary before a judge"][0]}
    asked |= {"analyze, reduce": PLACES["map answer in a reduce"][0]}
    shortly = [name for name in ATTEMPTS if name in OF_THEIR_OWN or name.startswith("plain") or name.endswith(" en")]
    merge = partial(themes.parse_merge, themes=2)
    try:
        for name in shortly:
            attempt = ATTEMPTS[name]
            for operation, ask in asked.items():
                said = (await model.complete(ask(attempt), an_attempt())).text or ""
                check(ANSWERED[operation.removesuffix(", reduce")](said))
            said = (await model.complete(PLACES["theme's summary in a merge"][0](attempt), an_attempt())).text or ""
            assert merge(said).themes, name
            own = batch("Thanks!", attempt)
            assert own.parse((await model.complete(own.prompt(), an_attempt())).text or "")[0], name
    finally:
        await model.aclose()
