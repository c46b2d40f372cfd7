"""Summaries and analyses by the offline model, through the product's own prompts and parsers."""

import pytest

from adapters.offline.engine import Engine
from tests.unit.adapters.offline.prompts import analysis, summary

LONG = (
    "The tap near the school has been dry since Sunday. Women walk two hours to the river. The river water makes the "
    "children sick. The pump committee promised a repair twice. Nobody came. We ask for a water truck until the pump "
    "works again. The truck could stop at the school. Thank you for listening to us."
)
BY_LANGUAGE = {
    "en": LONG,
    "fr": "L'eau du puits est trouble depuis l'inondation. Nos enfants ont mal au ventre. Quand viendrez-vous ?",
    "es": "¿Cuándo abre la escuela? Los niños llevan dos meses sin clases. Nadie nos informa de nada.",
    "ar": "لا توجد مياه في الخيام منذ أربعة أيام. متى ستأتي الشاحنة؟ الأطفال مرضى، والعيادة مغلقة.",
    "uk": "Мені не прийшла виплата за лютий. На гарячій лінії нічого не пояснюють! Коли чекати на гроші?",
}


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_a_summary_is_made_of_the_records_own_words(engine: Engine, language: str) -> None:
    content = BY_LANGUAGE[language]

    found = summary(engine, content)

    assert 3 <= len(found.title.split()) <= 5
    assert found.title.casefold() in content.casefold()
    assert 3 <= len(found.bullets) <= 5
    assert all(bullet in content for bullet in found.bullets)


def test_bullets_keep_the_order_of_the_record_and_its_first_sentence(engine: Engine) -> None:
    bullets = summary(engine, LONG).bullets

    assert bullets[0] == "The tap near the school has been dry since Sunday."
    assert [LONG.index(bullet) for bullet in bullets] == sorted(LONG.index(bullet) for bullet in bullets)


@pytest.mark.parametrize(
    "content",
    [
        "ok",
        "12345",
        "...",
        "水管坏了，我们没有水喝，孩子们都生病了，请尽快来修理。",
        "a" * 100_000,
        "<b>&amp;</b>",
        "\u200f\u200b.",
    ],
)
def test_every_text_gets_a_summary(engine: Engine, content: str) -> None:
    found = summary(engine, content)

    assert found.title
    assert found.bullets


def test_telephone_numbers_and_addresses_are_left_out(engine: Engine) -> None:
    found = summary(engine, "Call me on +231 77 123 4567 or write to me@example.org. The pump is broken again.")

    written = " ".join([found.title, *found.bullets])
    assert "123" not in written
    assert "@" not in written
    assert "pump" in written


def test_a_single_sentence_is_divided_at_its_clauses(engine: Engine) -> None:
    content = "The school is closed since May, the teachers have left the village, and our children work in the fields."

    assert len(summary(engine, content).bullets) == 3


def test_an_analysis_groups_counts_and_says_what_it_is(engine: Engine) -> None:
    dry = ["The tap is dry.", "There is no water in the tap.", "Our tap has had no water since May.", "The tap is dry."]

    found = analysis(engine, *dry, "My son cannot read, we need a teacher.")

    assert "not an LLM" in found.answer
    assert "4 records: 1, 2, 3, 4" in found.answer
    assert 0.0 < found.confidence <= 0.5


def test_an_analysis_reads_a_bounded_number_of_records(engine: Engine) -> None:
    found = analysis(engine, *(f"The pump number {n} is broken." for n in range(1000)))

    assert "1000 records (334 of them were read" in found.answer
    assert found.answer == analysis(engine, *(f"The pump number {n} is broken." for n in range(1000))).answer
