"""Corrections change what `offline/semantic` answers: for their own tenant, and the same way every time."""

import json
import threading

import pytest

from adapters.offline.engine import Engine
from adapters.offline.learning import School
from domain.corrections import Lesson, Lessons
from domain.operations import assign_codes
from domain.operations.outline import outline_of
from tests.builders import FRAMEWORK, TENANT, a_record
from tests.unit.adapters.offline.prompts import a_community_framework

OUTLINE = outline_of(a_community_framework())
JARGON = "The blue donkey did not come again."


def lessons(*taught: tuple[str, str], tenant: str = TENANT) -> Lessons:
    learned = (Lesson.of(content, tuple(codes.split()), content) for content, codes in taught)
    return Lessons(tenant, FRAMEWORK, tuple(learned))


BLUE_DONKEY = lessons(*((f"The blue donkey {what}", "no-water") for what in ("is late.", "did not come.", "was gone.")))


@pytest.fixture
def own_school(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(engine, "school", School())
    return engine


def answer(engine: Engine, taught: Lessons | None, content: str = JARGON) -> assign_codes.Coding:
    prompt = assign_codes.prompt(a_record(content=content), OUTLINE, taught)
    return assign_codes.parse(engine.answer(prompt.system, prompt.user, prompt.teaching), OUTLINE)


def first_code(coding: assign_codes.Coding) -> str | None:
    return coding.codes[0].path[-1].id if coding.codes else None


def test_a_correction_teaches_words_that_the_framework_does_not_have(own_school: Engine) -> None:
    assert first_code(answer(own_school, None)) != "no-water"

    taught = answer(own_school, BLUE_DONKEY)

    assert first_code(taught) == "no-water"
    assert "taught by 3 corrections (records that analysts corrected" in taught.codes[0].reason
    assert "donkey" not in taught.codes[0].reason


def test_another_tenant_with_the_same_framework_learns_nothing(own_school: Engine) -> None:
    answer(own_school, BLUE_DONKEY)

    other = lessons(("There are no tablets left.", "no-medicine"), tenant="another")

    assert first_code(answer(own_school, other)) != "no-water"
    assert first_code(answer(own_school, None)) != "no-water"


def test_equal_corrections_teach_the_same_in_every_process(own_school: Engine) -> None:
    fresh = Engine()

    assert answer(fresh, BLUE_DONKEY) == answer(own_school, BLUE_DONKEY)


def test_codes_of_another_version_and_codes_over_everything_teach_nothing_and_break_nothing(own_school: Engine) -> None:
    taught = lessons((JARGON, "gone"), (JARGON, ""), ("No water.", "needs no-water"))

    assert first_code(answer(own_school, taught, "There is no water in the tank.")) == "no-water"


def test_a_framework_of_two_codes_learns_too(own_school: Engine) -> None:
    from tests.builders import a_code, a_framework

    outline = outline_of(a_framework(a_code("schools"), a_code("water")))
    prompt = assign_codes.prompt(a_record(content=JARGON), outline, lessons(("The blue donkey is late.", "water")))

    found = json.loads(own_school.answer(prompt.system, prompt.user, prompt.teaching))

    assert [code["id"] for code in found["codes"]][:1] == ["2"]


def test_more_is_learned_when_there_is_a_tenth_more_or_time_has_passed(engine: Engine, monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr(engine, "school", School(clock=lambda: now))
    many = [(f"The well number {n} is dry.", "no-water") for n in range(20)]
    answer(engine, lessons(*many))
    engine.school.settle()

    def corrections(taught: Lessons) -> str:
        answer(engine, taught, "The tap is dry.")
        engine.school.settle()
        return answer(engine, taught, "The tap is dry.").codes[0].reason

    one_more = lessons(*many, (JARGON, "no-medicine"))
    assert "taught by 20 " in corrections(one_more)
    now = 31.0
    assert "taught by 21 " in corrections(one_more)
    assert "taught by 25 " in corrections(lessons(*many, *[(f"Day {n}", "no-medicine") for n in range(5)]))


def test_an_answer_does_not_wait_for_further_training(engine: Engine, monkeypatch) -> None:
    monkeypatch.setattr(engine, "school", School())
    answer(engine, BLUE_DONKEY)
    held = threading.Event()
    taught = engine.school._train

    def train_later(*given: object) -> None:
        held.wait()
        taught(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.school, "_train", train_later)
    more = lessons(*((lesson.content, "no-water") for lesson in BLUE_DONKEY.lessons), ("New.", "no-medicine"))

    assert "taught by 3 " in answer(engine, more).codes[0].reason

    held.set()
    engine.school.settle()
    assert "taught by 4 " in answer(engine, more).codes[0].reason


def test_a_failure_to_learn_leaves_the_last_classifier(own_school: Engine, monkeypatch, caplog) -> None:
    monkeypatch.setattr("adapters.offline.classifier.RECORD_WEIGHT", "not a number")

    assert first_code(answer(own_school, BLUE_DONKEY, "There is no water in the tank.")) == "no-water"
    assert "TypeError" in caplog.text
    assert "donkey" not in caplog.text
