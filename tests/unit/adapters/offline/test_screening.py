"""Screening by the offline model, through the product's own prompt and parser."""

import json
from pathlib import Path

import pytest

from adapters.offline.detector import kinds
from adapters.offline.engine import Engine
from adapters.offline.prompt_reader import ScreeningTask, UnreadablePromptError, read
from domain.operations import detect_sensitive
from schemas.sensitivity import SensitiveType
from tests.builders import a_record
from tests.unit.adapters.offline.prompts import screening

SENTENCES = [json.loads(line) for line in Path("samples/screening.jsonl").read_text(encoding="utf-8").splitlines()]
SENSITIVE = [each for each in SENTENCES if each["types"]]
HARMLESS = [each for each in SENTENCES if not each["types"]]


def named(engine: Engine, content: str) -> list[SensitiveType]:
    return [finding.type for finding in screening(engine, content).findings]


def test_it_reads_the_products_prompt() -> None:
    prompt = detect_sensitive.prompt(a_record(content="x < y", output_language="French"))
    assert read(prompt.system, prompt.user) == ScreeningTask("x < y", tuple(SensitiveType))
    with pytest.raises(UnreadablePromptError, match="no <types>"):
        read("Task: detect_sensitive", prompt.user)


def test_it_knows_every_type_and_no_other() -> None:
    known = kinds()
    assert set(known) == {*SensitiveType, ""}
    assert all(len(kind.examples) >= 4 for kind in known.values())


@pytest.mark.parametrize("held_out", [False, True])
def test_it_finds_most_of_what_is_sensitive_in_every_language(engine: Engine, held_out: bool) -> None:
    """Bounds below what it reaches (docs have the figures): a change that costs safety must be noticed."""
    ours = [each for each in SENSITIVE if each["held_out"] is held_out]
    answers = [(each, named(engine, each["content"])) for each in ours]
    assert sum(bool(types) for _, types in answers) >= 0.9 * len(ours)
    assert sum(bool({*types} & {*each["types"]}) for each, types in answers) >= 0.85 * len(ours)
    for language in ("en", "fr", "es", "ar", "uk"):
        flagged = [bool(types) for each, types in answers if each["language"] == language]
        assert sum(flagged) >= 0.75 * len(flagged), language


def test_it_leaves_most_everyday_feedback_alone(engine: Engine) -> None:
    assert sum(bool(named(engine, each["content"])) for each in HARMLESS) <= 0.25 * len(HARMLESS)


def test_no_sentence_that_it_is_tested_with_is_among_its_examples() -> None:
    examples = {example.casefold() for kind in kinds().values() for example in kind.examples}
    assert not examples & {each["content"].casefold() for each in SENTENCES}


def test_it_says_what_it_is_and_never_claims_to_be_sure(engine: Engine) -> None:
    content = "The storekeeper, telephone 0771234567, sells our blankets and asks girls for sex in exchange for food."
    found = screening(engine, content).findings

    assert SensitiveType.SEXUAL_EXPLOITATION_ABUSE in {finding.type for finding in found}
    assert all(finding.reason.startswith("offline/semantic (not an LLM): ") for finding in found)
    assert all(0.2 <= finding.confidence <= 0.9 for finding in found)
    assert "0771234567" not in "".join(finding.reason for finding in found)
    assert screening(engine, content).findings == found


def test_one_sentence_among_many_is_enough(engine: Engine) -> None:
    everyday = "The tap near the school is dry. " * 10
    content = f"{everyday}The guard asked my sister for sex before he let her in. {everyday}"
    assert SensitiveType.SEXUAL_EXPLOITATION_ABUSE in named(engine, content)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("Quiero denunciar un soborno.", SensitiveType.BRIBERY),
        ("وتحرش بها", SensitiveType.SEXUAL_HARASSMENT),
        ("Його катували.", SensitiveType.DETENTION_DISAPPEARANCE),
        ("Il a été enlevé hier.", SensitiveType.DETENTION_DISAPPEARANCE),
    ],
)
def test_some_words_are_a_sign_by_themselves(engine: Engine, content: str, kind: SensitiveType) -> None:
    assert kind in named(engine, content)


@pytest.mark.parametrize(
    "content", ["ok", "12345", "...", "水管坏了。", "a" * 100_000, "<b>&amp;</b>", "\u200f\u200b."]
)
def test_every_text_gets_an_answer(engine: Engine, content: str) -> None:
    assert len(named(engine, content)) <= 33


def test_only_types_that_were_asked_for_are_named(engine: Engine) -> None:
    system = "Task: detect_sensitive\n<types>\ntheft: Goods are stolen.\nunknown: Else.\n</types>"
    user = "<feedback_record>\nThe guard beats children and stole our blankets.\n</feedback_record>"
    assert [found["type"] for found in json.loads(engine.answer(system, user))["findings"]] == ["theft"]
    none = engine.answer("Task: detect_sensitive\n<types>\nunknown: Else.\n</types>", user)
    assert json.loads(none) == {"findings": []}
