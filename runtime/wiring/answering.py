"""What answers records, the same for a worker and for an evaluation: whoever hands them in and takes what comes out."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.lessons import KafkaLessons
from adapters.llm.factory import OFFLINE_PROVIDER, context_tokens, open_model
from adapters.llm.recording import RecordingModel
from adapters.llm.settings import LLMSettings
from adapters.privacy.factory import PrivacySettings, open_anonymiser
from domain.corrections import LessonsCatalogue
from domain.delivery.delivery import Delivery
from domain.delivery.pauses import NOBODY, Pauses
from domain.delivery.settings import DeliverySettings
from domain.delivery.submitted import Submitted
from domain.delivery.tally import DeadLetterTally
from domain.llm.breaker import CircuitBreaker
from domain.llm.conversation import RecordedModel
from domain.llm.routing import Route, Routing
from domain.llm.tally import CallTally
from domain.operations.corrected_examples import Guide
from domain.operations.many.trend import PastCodings
from domain.operations.narrowing import Likeness
from domain.ports import Anonymiser, EventPublisher, FrameworkCatalogue
from runtime.settings import Settings
from runtime.wiring.corrections import guide
from runtime.wiring.parts import coding_models, fallback_settings, llm_settings, settings_by_operation
from runtime.wiring.past_codings import past_codings
from runtime.wiring.pauses import watched_pauses


@asynccontextmanager
async def _recorded(
    settings: Settings, chosen: LLMSettings, events: EventPublisher, tally: CallTally | None
) -> AsyncIterator[RecordedModel]:
    """A model, each attempt an event; those under way have been acknowledged when the block ends."""
    async with open_model(chosen) as opened:
        model = RecordingModel(opened, events, settings.llm_attempt_timeout_seconds, tally=tally)
        try:
            yield model
        finally:
            await model.aclose()


@asynccontextmanager
async def one_model(
    settings: Settings,
    chosen: LLMSettings,
    events: EventPublisher,
    tally: CallTally | None = None,
    breaker: CircuitBreaker | None = None,
) -> AsyncIterator[Routing]:
    """One model that answers everything, with the bound of what it takes.

    Raises:
        UserError: it cannot be used as it is set.
    """
    async with _recorded(settings, chosen, events, tally) as model:
        yield Routing(_route(settings, chosen, model, breaker))


def _route(
    settings: Settings, chosen: LLMSettings, model: RecordedModel, breaker: CircuitBreaker | None = None
) -> Route:
    return Route(model, breaker or CircuitBreaker(), settings.llm_context_tokens or context_tokens(chosen))


@asynccontextmanager
async def routed_models(
    settings: Settings,
    events: EventPublisher,
    tally: CallTally | None = None,
    first_breaker: CircuitBreaker | None = None,
    routes: list[Route] | None = None,
) -> AsyncIterator[Routing]:
    """All models that are set, each opened once, and which answers what.

    Args:
        first_breaker: that of LLM_MODEL.
        routes: gets them all, for those who watch.

    Raises:
        UserError: one of them cannot be used as it is set.
    """
    others, fallback = settings_by_operation(settings), fallback_settings(settings)
    async with AsyncExitStack() as stack:
        opened: dict[LLMSettings, Route] = {}

        async def route(chosen: LLMSettings, breaker: CircuitBreaker | None = None) -> Route:
            if chosen not in opened:
                model = await stack.enter_async_context(_recorded(settings, chosen, events, tally))
                opened[chosen] = _route(settings, chosen, model, breaker)
            return opened[chosen]

        first = await route(llm_settings(settings), first_breaker)
        by_operation = {operation.value: await route(chosen) for operation, chosen in others.items()}
        routing = Routing(first, await route(fallback) if fallback else None, by_operation)
        if routes is not None:
            routes += routing.routes
        yield routing


@asynccontextmanager
async def narrowing(settings: Settings) -> AsyncIterator[Likeness | None]:
    """What narrows frameworks that are too large for a prompt; None where every model that codes reads them whole.

    It loads nothing before a framework needs it.
    """
    if all(one.provider == OFFLINE_PROVIDER for one in coding_models(settings)):
        yield None
        return
    from adapters.offline.likeness import EmbeddedCodes

    async with aclosing(EmbeddedCodes()) as likeness:
        yield likeness


@dataclass(frozen=True, slots=True)
class Aids:
    """What helps to make a prompt, and what says whether to make one.

    Attributes:
        anonymiser: hides what is personal; None: nothing is hidden.
        guide: what analysts corrected; None: nothing is learned from.
        likeness: narrows frameworks that are too large; None: they are shown whole.
        past_codings: our own codings, for trends; None: codes are those of metadata.
        pauses: whose work is not to be done now.
    """

    anonymiser: Anonymiser | None = None
    guide: Guide | None = None
    likeness: Likeness | None = None
    past_codings: PastCodings | None = None
    pauses: Pauses = NOBODY


@asynccontextmanager
async def aids(
    settings: Settings, connection: KafkaConnection | None = None, lessons: LessonsCatalogue | None = None
) -> AsyncIterator[Aids]:
    """All of them, as they are set.

    Args:
        connection: where corrections are read, beside which our own codings may be, and who has spent a budget; None:
            none of it is.
        lessons: what was read elsewhere, instead of the corrections there.
    """
    async with AsyncExitStack() as stack:
        anonymiser = await stack.enter_async_context(anonymising(settings))
        source: AbstractAsyncContextManager[LessonsCatalogue] | None = None
        codings, pauses = None, NOBODY
        if lessons is not None:
            source = nullcontext(lessons)
        elif connection is not None:
            source = KafkaLessons(connection)
        if connection is not None:
            codings = await stack.enter_async_context(past_codings(settings))
            pauses = await stack.enter_async_context(watched_pauses(settings))
        learned = await stack.enter_async_context(guide(settings, source, anonymiser)) if source else None
        yield Aids(anonymiser, learned, await stack.enter_async_context(narrowing(settings)), codings, pauses)


def anonymising(settings: Settings) -> AbstractAsyncContextManager[Anonymiser]:
    """What hides personal data, as it is set.

    Raises:
        UserError: PRIVACY_NER names what is not installed.
    """
    return open_anonymiser(PrivacySettings(settings.privacy_anonymise, settings.privacy_ner))


def answering(
    routing: Routing,
    events: EventPublisher,
    catalogue: FrameworkCatalogue,
    settings: DeliverySettings,
    aids: Aids,
    letters: DeadLetterTally | None = None,
) -> Delivery:
    """What answers one input with these models and frameworks, and publishes what comes of it."""
    inputs = Submitted(
        catalogue,
        settings,
        anonymiser=aids.anonymiser,
        guide=aids.guide,
        likeness=aids.likeness,
        past_codings=aids.past_codings,
    )
    return Delivery(inputs, routing, events, settings, dead_letters=letters, parts=inputs.parts, pauses=aids.pauses)
