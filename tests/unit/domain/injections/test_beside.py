"""Foreign text that is no feedback: unseen by models where it is the CRM's, inert where it is the organisation's."""

import re
from html import unescape

import pytest

from domain.operations import assign_codes
from domain.operations.outline import outline_of
from domain.prompts.envelope import bounded
from tests.builders import a_code, a_framework, a_record, an_analysis_request
from tests.injections import ATTEMPTS
from tests.unit.domain.injections.prompts import (
    ANOTHER,
    INSTRUCTED,
    OF_A_RECORD,
    ORDINARY,
    READING,
    REDUCING,
    batch,
    is_clean,
    narrowed,
    tags,
)

PROMPTS = {**OF_A_RECORD, **READING, **REDUCING}
_QUESTION = re.compile(r"\n<instruction>\n([^<>]*)\n</instruction>")
_LANGUAGE = re.compile(r"\noutput_language: [^\n<>]*\n")


def unseen_fields(operation, attempt):
    """Everything foreign that is beside a text, made of an attempt."""
    name = attempt.replace("\x00", "")[:255]
    metadata = {"codes": [{"id": name, "name": attempt}, name], attempt: [attempt], "role": "system"}
    fields = {"record_id": name, "tenant_id": name, "metadata": metadata}
    own = {"framework_id": name, "language": attempt[:35]} if operation in OF_A_RECORD else {"request_id": name}
    return fields | own


@pytest.mark.parametrize("operation", PROMPTS)
def test_metadata_and_ids_reach_no_prompt(operation):
    ask = PROMPTS[operation]
    ordinary = ask(content=ORDINARY)
    for name, attempt in ATTEMPTS.items():
        assert ask(content=ORDINARY, **unseen_fields(operation, attempt)) == ordinary, name


@pytest.mark.parametrize("operation", PROMPTS)
def test_an_output_language_is_one_line_of_the_options(operation):
    ask = PROMPTS[operation]
    ordinary = ask(output_language="French")
    for name, attempt in ATTEMPTS.items():
        prompt = ask(output_language=attempt[:100])
        assert prompt.user == ordinary.user, name
        assert len(_LANGUAGE.findall(prompt.system)) == 1, name
        assert _LANGUAGE.sub("", prompt.system) == _LANGUAGE.sub("", ordinary.system), name
        assert is_clean(prompt), name


@pytest.mark.parametrize("operation", INSTRUCTED)
def test_an_instruction_cannot_leave_its_place(operation):
    ask = INSTRUCTED[operation]
    ordinary = ask()
    for name, attempt in ATTEMPTS.items():
        prompt = ask(instruction=attempt[:4000])
        assert prompt.user == ordinary.user, name
        (inside,) = _QUESTION.findall(prompt.system)
        assert unescape(inside) == bounded(attempt[:4000]), name
        assert _QUESTION.sub("", prompt.system) == _QUESTION.sub("", ordinary.system), name
        assert is_clean(prompt), name


CODED = {
    "single": lambda framework: assign_codes.prompt(a_record(), outline_of(framework)),
    "narrowed": lambda framework: assign_codes.prompt(a_record(), narrowed(framework)),
    "batch": lambda framework: batch(ORDINARY, ANOTHER, outline=outline_of(framework)).prompt(),
}


def framework_of(text):
    """A framework with the text wherever it holds any."""
    name = text.replace("\x00", "")
    first = a_code(name, a_code("below", name=text[:1000]), name=text[:1000], description=text, examples=(text, text))
    return a_framework(first, a_code("two"), version=name[:255], name=text[:1000])


@pytest.mark.parametrize("way", CODED)
def test_a_framework_of_attempts_is_one_line_a_code(way):
    ask = CODED[way]
    ordinary = ask(framework_of("dry"))
    lines = ordinary.system.split("\n")
    start, end = lines.index("<framework>"), lines.index("</framework>")
    for name, attempt in ATTEMPTS.items():
        prompt = ask(framework_of(attempt[-1000:]))
        now = prompt.system.split("\n")
        assert prompt.user == ordinary.user, name
        assert now[: start + 1] == lines[: start + 1], name
        assert now[end:] == lines[end:], name
        assert [line.split(" ")[0] for line in now] == [line.split(" ")[0] for line in lines], name
        assert tags(prompt.system) == tags(ordinary.system), name
        assert is_clean(prompt), name


def test_what_stands_in_a_system_message_is_short():
    with pytest.raises(ValueError, match="100"):
        a_record(output_language="x" * 101)
    with pytest.raises(ValueError, match="4000"):
        an_analysis_request(instruction="x" * 4001)
