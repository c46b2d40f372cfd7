"""Words of progress: at the ends of each stage, and not too often between them."""

from domain.operations.many.progress import Progress
from schemas.progress import AnalysisProgressed, SummaryProgressed
from tests.builders import a_summary_request, an_analysis_request
from tests.fakes import FakeClock
from tests.unit.domain.operations.many.support import FakeSteps


async def test_a_second_lies_between_two_words_but_the_last_one_is_always_told():
    clock, steps = FakeClock(), FakeSteps(None)
    progress = Progress(steps, an_analysis_request(), 1.0, clock=clock, now=clock.now)
    await progress.reading(10)
    for _ in range(10):
        clock.advance(0.4)
        await progress.read(7)
    told = [event for _, event in steps.told]
    assert [event.done for event in told] == [0, 3, 6, 9, 10]
    assert told[-1].records_read == 70
    assert told[-1].at == clock.now()
    assert all(isinstance(event, AnalysisProgressed) for event in told)


async def test_a_new_level_of_the_tree_adds_to_the_total():
    steps = FakeSteps(None)
    progress = Progress(steps, a_summary_request(), 0.0, clock=FakeClock())
    await progress.reducing(2)
    await progress.reduced()
    await progress.reduced()
    await progress.reducing(1)
    await progress.reduced()
    assert [(event.stage, event.done, event.total) for _, event in steps.told] == [
        ("reduce", 0, 2),
        ("reduce", 1, 2),
        ("reduce", 2, 2),
        ("reduce", 2, 3),
        ("reduce", 3, 3),
    ]
    assert {type(event) for _, event in steps.told} == {SummaryProgressed}
