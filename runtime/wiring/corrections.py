"""What codings take from analysts' corrections, as it is set."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.lessons import KafkaLessons
from adapters.llm.factory import OFFLINE_PROVIDER
from domain.operations.corrected_examples import Examples, Guide
from domain.ports import Anonymiser
from runtime.settings import Settings


@asynccontextmanager
async def guide(
    settings: Settings, connection: KafkaConnection, anonymiser: Anonymiser | None = None
) -> AsyncIterator[Guide]:
    """Lessons from Kafka where something makes use of them; else nothing is read, and nothing kept.

    Args:
        anonymiser: for the examples that a model is shown.
    """
    learns = settings.learn_from_corrections and _learning_models(settings)
    if not learns and not settings.corrected_examples:
        yield Guide()
        return
    async with AsyncExitStack() as stack:
        lessons = await stack.enter_async_context(KafkaLessons(connection))
        examples = None
        if settings.corrected_examples:
            from adapters.offline.nearest import EmbeddedLessons

            nearest = await stack.enter_async_context(aclosing(EmbeddedLessons()))
            examples = Examples(nearest, anonymiser, settings.corrected_examples)
        yield Guide(lessons, examples, learn=learns)


def _learning_models(settings: Settings) -> bool:
    """Whether any model that may be asked learns by itself; of the others every prompt says all there is."""
    return settings.llm_model.partition("/")[0] == OFFLINE_PROVIDER
