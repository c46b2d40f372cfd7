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


def _in_order(title: str, content: str) -> bool:
    """Whether all words of a title stand in the content, in the same order."""
    rest = iter(word.strip(".,;:!?؟،¿¡") for word in content.casefold().replace("'", "' ").split())
    return all(word in rest for word in title.casefold().replace("'", "' ").split())


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_a_summary_is_made_of_the_records_own_words(engine: Engine, language: str) -> None:
    content = BY_LANGUAGE[language]

    found = summary(engine, content)

    assert 3 <= len(found.title.split()) <= 5
    assert _in_order(found.title, content)
    assert len(found.bullets) == min(5, len(content.replace("؟", ".").replace("?", ".").replace("!", ".").split(". ")))
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
        "水" * 70 + " " + "水" * 70 + " " + "水" * 9,
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


@pytest.mark.parametrize(
    ("content", "bullets"),
    [
        ("The tap is dry. 🙏🙏🙏\n!!!\nPlease come.", ("The tap is dry.", "Please come.")),
        ("🙏🙏🙏\nThe tap is dry 😢", ("The tap is dry 😢",)),
        ("🙏🙏🙏", ("🙏🙏🙏",)),
        ("12.", ("12.",)),
    ],
)
def test_no_bullet_is_without_a_word_unless_there_is_none(
    engine: Engine, content: str, bullets: tuple[str, ...]
) -> None:
    assert summary(engine, content).bullets == bullets


def test_bullets_are_whole_sentences_unless_a_lone_sentence_is_long(engine: Engine) -> None:
    short = "The school is closed since May, and our children work in the fields."
    long = (
        "The school at the end of our street is closed since the beginning of May, "
        "but the children of the teachers have lessons in a house near the market every morning."
    )

    assert summary(engine, short).bullets == (short,)
    assert [bullet.split()[0] for bullet in summary(engine, long).bullets] == ["The", "But"]


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("The toilets behind the market are blocked.", "Toilets behind market blocked"),
        ("Caller asks a question about the opening hours of the clinic.", "Opening hours of clinic"),
        ("A woman reports that the bridge was washed away by the river.", "Bridge washed away by river"),
        ("Nobody repairs the pump.", "Nobody repairs pump"),
        ("L'eau du fleuve est montée et la route est coupée.", "Eau du fleuve est montée"),
        ("¿Dónde puedo cambiar mi dirección?", "Cambiar mi dirección"),
        ("سقف المدرسة مكسور ونحن خائفون.", "سقف المدرسة مكسور"),
        ("Дах школи протікає, а взимку дуже холодно.", "Дах школи протікає"),
    ],
)
def test_titles_that_a_reader_would_choose(engine: Engine, content: str, title: str) -> None:
    assert summary(engine, content).title == title


@pytest.mark.parametrize(
    ("content", "untrue"),
    [
        ("We have no clean water left in the village.", "clean water left"),
        ("We do not want to leave our old house.", "want to leave"),
        ("Le camion de la commune ne passe plus.", "camion de la commune ne passe"),
        ("No queremos salir del pueblo.", "queremos salir"),
        ("لا نريد أن نترك بيوتنا في القرية.", "نريد أن نترك"),
        ("Ми не отримали допомогу на дрова.", "отримали допомогу"),
    ],
)
def test_a_title_is_not_torn_from_its_negation(engine: Engine, content: str, untrue: str) -> None:
    assert not summary(engine, content).title.casefold().startswith(untrue)


def test_the_services_own_reply_is_no_title(engine: Engine) -> None:
    content = "Parent calls about school fees in the district.\nOperator provided the detailed official price list."

    assert "Operator" not in summary(engine, content).title


def test_an_analysis_groups_counts_and_says_what_it_is(engine: Engine) -> None:
    dry = ["The tap is dry.", "There is no water in the tap.", "Our tap has had no water since May.", "The tap is dry."]

    found = analysis(engine, *dry, "My son cannot read, we need a teacher.")

    assert "not an LLM" in found.answer
    assert "4 records: 1, 2, 3, 4" in found.answer
    assert 0.0 < found.confidence <= 0.5


def test_an_analysis_of_one_theme_is_told_in_the_singular(engine: Engine) -> None:
    assert "\n2 records; one theme holds 2 of them:" in analysis(engine, "The tap is dry.", "The tap is dry.").answer
    assert "\n1 record; one theme holds 1 of them:" in analysis(engine, "The tap is dry.").answer


@pytest.mark.parametrize("placeholder", ["[PERSON_1]", "[PLACE_2]", "[PHONE_1]"])
def test_a_placeholder_is_no_word_of_a_title_or_a_theme(engine: Engine, placeholder: str) -> None:
    word = placeholder[1:-3].casefold()
    records = [
        f"{placeholder} asks for tents. {placeholder} and {placeholder} again.",
        f"{placeholder}'s tents leak since the storm, says {placeholder}.",
        f"{placeholder}",
    ]
    for record in records:
        title = summary(engine, record).title
        assert title
        assert word not in title.casefold()
        assert not title.startswith("S ")
    names = [line.split(", e.g.")[0] for line in analysis(engine, *records).answer.splitlines()[2:]]
    assert "tents" in " ".join(names)
    assert word not in " ".join(names)


def test_records_are_alike_by_what_they_say_and_not_by_whom_they_name(engine: Engine) -> None:
    tents, school = "The tents of [PERSON_1] and [PERSON_2] leak.", "[PERSON_1] and [PERSON_2] closed the school."

    assert "1 records" not in (told := analysis(engine, tents, school, tents).answer)
    assert "(2 records: 1, 3)" in told


def test_an_analysis_reads_a_bounded_number_of_records(engine: Engine) -> None:
    found = analysis(engine, *(f"The pump number {n} is broken." for n in range(1000)))

    assert "1000 records (334 of them were read" in found.answer
    assert found.answer == analysis(engine, *(f"The pump number {n} is broken." for n in range(1000))).answer
