"""The nearest corrected records."""

from adapters.offline import nearest
from adapters.offline.engine import Engine
from adapters.offline.nearest import EmbeddedLessons
from domain.corrections import Lesson, Lessons
from tests.builders import FRAMEWORK, TENANT

TEXTS = ("The clinic has no tablets.", "Das Wasser ist braun.", "There is no teacher.", "The tap is dry.")
LESSONS = Lessons(TENANT, FRAMEWORK, tuple(Lesson.of(text, ("code",), text) for text in TEXTS))


async def contents(
    content: str, engine: Engine, count: int = 2, lessons: Lessons = LESSONS, record_id: str = "other"
) -> list[str]:
    found = EmbeddedLessons(lambda: engine._embedder)
    texts = [lesson.content for lesson in await found.nearest(content, record_id, lessons, count)]
    await found.aclose()
    return texts


async def test_the_nearest_in_meaning_come_first_in_any_language(engine: Engine):
    assert (await contents("La pharmacie n'a plus de médicaments.", engine))[0] == TEXTS[0]
    assert set(await contents("No clean water comes out of the tap.", engine)) == {TEXTS[1], TEXTS[3]}


async def test_the_record_itself_is_no_example(engine: Engine):
    changed = "The tap is dry, call [PHONE_1]."  # as it is coded, and not as it is remembered
    assert TEXTS[3] not in await contents(changed, engine, count=10, record_id=TEXTS[3])
    assert TEXTS[3] in await contents(TEXTS[3], engine, count=10)  # of another record


async def test_there_may_be_none(engine: Engine):
    assert await contents("Dry.", engine, lessons=Lessons(TENANT, FRAMEWORK, ())) == []


async def test_a_backlog_is_worked_off_over_several_records_the_newest_first(engine: Engine, monkeypatch):
    monkeypatch.setattr(nearest, "NEW_AT_ONCE", 1)
    found = EmbeddedLessons(lambda: engine._embedder)
    counts = [len(await found.nearest("Water", "other", LESSONS, 10)) for _ in range(5)]
    await found.aclose()
    assert counts == [1, 2, 3, 4, 4]
