"""Lessons: the latest correction of each record, the newest records, whatever the order they come in."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.corrections import MAX_LESSON_CHARACTERS, LessonBook, Lessons, Teaching
from schemas.corrections import CodesCorrected
from tests.builders import FRAMEWORK, NOON, TENANT


def a_correction(record_id: str = "r", minute: int = 0, **fields: Any) -> CodesCorrected:
    defaults = {
        "tenant_id": TENANT,
        "record_id": record_id,
        "framework_id": FRAMEWORK,
        "code_ids": ("water",),
        "content": f"The text of {record_id}.",
        "corrected_at": NOON + timedelta(minutes=minute),
    }
    return CodesCorrected.model_validate({**defaults, **fields})


def taken(*corrections: CodesCorrected, limit: int = 5_000, **options: Any) -> Lessons | None:
    book = LessonBook(limit, **options)
    for each in corrections:
        book.take(each)
    return book.find(TENANT, FRAMEWORK)


def told(lessons: Lessons | None) -> list[tuple[str, tuple[str, ...]]]:
    return [(lesson.content, lesson.code_ids) for lesson in lessons.lessons] if lessons else []


def test_the_latest_correction_of_a_record_counts_whichever_came_last():
    early, late = a_correction(minute=1, code_ids=("thanks",)), a_correction(minute=2)
    assert told(taken(early, late)) == told(taken(late, early)) == [("The text of r.", ("water",))]


def test_a_correction_without_a_text_changes_the_codes_of_a_record_that_is_known_and_is_no_lesson_else():
    bare = a_correction(minute=5, content=None, code_ids=("thanks",))
    assert told(taken(a_correction(), bare)) == [("The text of r.", ("thanks",))]
    assert told(taken(bare, a_correction())) == [("The text of r.", ("thanks",))]
    assert told(taken(bare)) == []


@given(st.permutations(range(3)))
def test_the_latest_text_counts_in_whatever_order_corrections_come(order: list[int]):
    corrections = [
        a_correction(minute=1, content="Old."),
        a_correction(minute=2, content="New."),
        a_correction(minute=3, content=None, code_ids=("thanks",)),
    ]
    assert told(taken(*(corrections[n] for n in order))) == [("New.", ("thanks",))]


def test_tenants_and_frameworks_have_lessons_of_their_own():
    book = LessonBook()
    book.take(a_correction())
    assert book.find("another", FRAMEWORK) is None
    assert book.find(TENANT, "another") is None


@given(st.permutations(range(12)))
def test_equal_lessons_have_equal_versions_in_whatever_order_they_came(order: list[int]):
    corrections = [a_correction(f"r{n // 2}", minute=n, content=f"Text {n}.") for n in range(12)]
    straight, mixed = taken(*corrections), taken(*(corrections[n] for n in order))
    assert straight
    assert mixed
    assert straight.lessons == mixed.lessons
    assert straight.version == mixed.version


def test_another_text_and_other_codes_are_another_version():
    versions = {
        lessons.version
        for lessons in (taken(a_correction()), taken(a_correction(content="x")), taken(a_correction(code_ids=("y",))))
        if lessons
    }
    assert len(versions) == 3


def test_the_newest_lessons_are_kept():
    lessons = taken(*(a_correction(f"r{n}", minute=n) for n in range(30)), limit=5)
    assert [content for content, _ in told(lessons)] == [f"The text of r{n}." for n in range(25, 30)]


def test_memory_is_bounded_over_all_frameworks_and_in_each_record():
    book = LessonBook(max_characters=20_000)
    for n in range(40):
        book.take(a_correction(f"r{n}", minute=n, content="x" * 1_000))
    book.take(a_correction("small", framework_id="other", content="y" * 3 * MAX_LESSON_CHARACTERS))
    many, few = book.find(TENANT, FRAMEWORK), book.find(TENANT, "other")
    assert many
    assert 0 < len(many.lessons) <= 10
    assert few
    assert [len(lesson.content) for lesson in few.lessons] == [MAX_LESSON_CHARACTERS]


def test_small_lessons_many_codes_and_many_frameworks_are_bounded_too():
    book = LessonBook(max_characters=20_000)
    for n in range(100):
        book.take(a_correction(f"r{n}", framework_id=f"f{n}", content="x"))
        book.take(a_correction(f"r{n}", n, content="x", code_ids=tuple(f"{'c' * 100}{code}" for code in range(50))))
    frameworks = [book.find(TENANT, f"f{n}") for n in range(100)]
    many = book.find(TENANT, FRAMEWORK)
    assert len(many.lessons if many else ()) + sum(map(bool, frameworks)) <= 20


def test_the_same_object_is_found_until_something_changes():
    book = LessonBook()
    book.take(a_correction())
    first = book.find(TENANT, FRAMEWORK)
    assert book.find(TENANT, FRAMEWORK) is first
    assert not book.take(a_correction())
    assert book.take(a_correction("another"))
    assert book.find(TENANT, FRAMEWORK) != first


def test_codes_that_the_framework_does_not_have_teach_nothing():
    lessons = taken(a_correction("a", code_ids=("water", "gone")), a_correction("b", 1, code_ids=("gone",)))
    assert lessons
    teaching = Teaching(lessons, {"water": "1.2"})
    assert [positions for _, positions in teaching.coded()] == [("1.2",)]
    assert teaching.unknown() == ("gone",)


def test_no_text_is_in_a_representation():
    lessons = taken(a_correction(content="Secret words."))
    assert lessons
    assert "Secret" not in repr((lessons, lessons.lessons, Teaching(lessons, {})))
