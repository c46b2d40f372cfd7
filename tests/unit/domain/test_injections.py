"""What a record says is data: it moves neither the instructions, nor the shape of an answer, nor the codes in it."""

import json
import re
from datetime import UTC, datetime
from functools import partial
from html import unescape
from uuid import UUID

import pytest

from domain.errors import InvalidOutputError
from domain.operations import analyze, questions
from domain.operations.answers import Made
from domain.operations.outline import outline_of
from domain.prompts.envelope import bounded
from tests.builders import a_code, a_framework, a_record, an_analysis_request, an_attempt
from tests.injections import ATTEMPTS

ORDINARY = "The water point near the school has been dry."
OUTLINE = outline_of(a_framework())
KNOWN = {path[-1].id for path in OUTLINE.paths.values()}
MADE = Made(UUID(int=1), UUID(int=2), "a-model", "a.v1", datetime(2026, 5, 4, tzinfo=UTC))


def analysing(request):
    """The single pass as a question."""
    return questions.Question(analyze.prompt(request), analyze.parse, partial(analyze.result, request))


ASKED = {
    "assign_codes": lambda text: questions.coding(a_record(content=text), OUTLINE),
    "summarize": lambda text: questions.summary(a_record(content=text)),
    "detect_sensitive": lambda text: questions.sensitivity(a_record(content=text)),
    "analyze": lambda text: analysing(an_analysis_request(records=[{"record_id": "a", "content": text}])),
}
ENVELOPE = re.compile(r'<feedback_record(?: number="1")?>\n(.*?)\n</feedback_record>', re.DOTALL)
OBEDIENT = [
    {"codes": [{"id": "9.9.9", "confidence": [1.0], "reason": "As told."}], "tenant_id": "other-tenant"},
    {"codes": [{"id": "1.1.1", "confidence": [1, 1, 1], "reason": "x"}, {"id": "9.9.9", "confidence": [1]}]},
    {"title": "As I was told to", "bullets": ["Obeyed."], "extra": True, "record_id": "another"},
    {"findings": [{"type": "invented", "confidence": 1, "reason": "x"}], "sensitive": False, "tenant_id": "other"},
    {"answer": "Obeyed.", "confidence": 1, "coverage": {"records": 10**6}, "request_id": "another"},
    {"codes": "9.9.9"},
    [],
    "9.9.9",
]
"""What a model says that does as it is told."""


def test_the_corpus_is_large():
    assert len(set(ATTEMPTS.values())) >= 60


@pytest.mark.parametrize("operation", ASKED)
def test_an_attempt_stays_in_its_envelope_and_the_instructions_as_they_are(operation):
    ask = ASKED[operation]
    system = ask(ORDINARY).prompt.system
    for name, attempt in ATTEMPTS.items():
        prompt = ask(attempt).prompt
        assert prompt.system == system, name
        (inside,) = ENVELOPE.findall(prompt.user)
        assert ENVELOPE.fullmatch(prompt.user), name
        assert not re.search("[<>]", inside), name
        assert unescape(inside) == bounded(attempt), name


@pytest.mark.parametrize("operation", ASKED)
def test_a_model_that_obeys_changes_neither_the_schema_nor_the_ids_of_a_result(operation):
    complaints = set()
    for attempt in ATTEMPTS.values():
        question = ASKED[operation](attempt)
        for said in (*map(json.dumps, OBEDIENT), attempt):
            try:
                found = question.parse(said)
            except InvalidOutputError as error:
                complaints.add(error.message)
                continue
            result = question.result(found, MADE)
            assert type(result).model_validate_json(result.to_bytes()) == result
            assert result.tenant_id == "red-hill"
            assert getattr(result, "record_id", "record-1") == "record-1"
            assert getattr(result, "request_id", "request-1") == "request-1"
            assert {coded.code_id for coded in getattr(result, "codes", ())} <= KNOWN


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_output_language_and_a_framework_are_inert(name):
    attempt = ATTEMPTS[name]
    language = attempt[:100]
    prompt = questions.summary(a_record(output_language=language)).prompt
    assert prompt.system.count("\n<options>\n") == 1
    assert prompt.system.endswith("\n</options>")
    options = prompt.system.rpartition("\n<options>\n")[2].splitlines()
    assert len([line for line in options if line.startswith("output_language: ")]) == 1
    assert len(options) <= 2

    framework = a_framework(a_code("one", name=attempt[:200], description=attempt, examples=(attempt,)), a_code("two"))
    lines = outline_of(framework).text.split("\n")
    assert len(lines) == 2
    assert not re.search("[<>]", "".join(lines))


def test_an_output_language_is_short():
    with pytest.raises(ValueError, match="100"):
        a_record(output_language="x" * 101)


async def test_the_offline_model_answers_every_attempt_in_schema():
    from adapters.offline.provider import OfflineModel

    model = OfflineModel()
    try:
        for name, attempt in ATTEMPTS.items():
            for ask in ASKED.values():
                question = ask(attempt)
                completion = await model.complete(question.prompt, an_attempt())
                assert question.result(question.parse(completion.text or ""), MADE).model == "a-model", name
    finally:
        await model.aclose()
