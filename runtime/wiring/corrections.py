"""What codings take from analysts' corrections, as it is set."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager

from adapters.llm.factory import OFFLINE_PROVIDER
from domain.corrections import LessonsCatalogue
from domain.operations.corrected_examples import Examples, Guide
from domain.ports import Anonymiser
from runtime.settings import Settings
from runtime.wiring.parts import coding_models


@asynccontextmanager
async def guide(
    settings: Settings, source: AbstractAsyncContextManager[LessonsCatalogue], anonymiser: Anonymiser | None = None
) -> AsyncIterator[Guide]:
    """Lessons where something makes use of them; else nothing is read, and nothing kept.

    Args:
        source: has the lessons while it is entered.
        anonymiser: for the examples that a model is shown.
    """
    learns = models_learn(settings)
    if not learns and not settings.corrected_examples:
        yield Guide()
        return
    async with AsyncExitStack() as stack:
        lessons = await stack.enter_async_context(source)
        examples = None
        if settings.corrected_examples:
            from adapters.offline.nearest import EmbeddedLessons

            nearest = await stack.enter_async_context(aclosing(EmbeddedLessons()))
            examples = Examples(nearest, anonymiser, settings.corrected_examples)
        yield Guide(lessons, examples, learn=learns)


def models_learn(settings: Settings) -> bool:
    """Whether any model that may be asked for codes learns by itself; of the others every prompt says all there is."""
    return settings.learn_from_corrections and any(one.provider == OFFLINE_PROVIDER for one in coding_models(settings))
