"""A delivery among fakes."""

import asyncio

from domain.delivery.delivery import Delivery
from domain.delivery.pauses import NOBODY
from domain.delivery.settings import DeliverySettings
from domain.delivery.submitted import Submitted
from domain.llm.breaker import BreakerPolicy, CircuitBreaker
from domain.llm.routing import Routing
from tests.builders import a_framework, a_message
from tests.fakes import USUAL_ANSWERS, FakeCatalogue, FakeClock, FakePublisher, ScriptedModel

CODES, SUMMARIES, DEAD = "feedback.code-assignments", "feedback.summaries", "feedback.dead-letters"


def delivery_settings(**changes):
    """Settings of a delivery with room for everything."""
    usual = {
        "max_in_flight": 256,
        "framework_wait_seconds": 60.0,
        "framework_token_budget": 16_000,
        "deadline_seconds": 300.0,
        "dead_letter_share": 0.5,
    }
    return DeliverySettings(**usual | changes)


class Setup:
    """A delivery whose model says what `saying` has for an operation (or raises it), else the usual answer."""

    def __init__(self, *frameworks, saying=None, anonymiser=None, pauses=NOBODY, **settings):
        self.saying = USUAL_ANSWERS | (saying or {})
        self.clock = FakeClock()
        self.publisher = FakePublisher()
        self.catalogue = FakeCatalogue(*(frameworks or (a_framework(),)))
        self.model = ScriptedModel(self._say)
        self.breaker = CircuitBreaker(BreakerPolicy(), clock=self.clock, call_later=self.clock.call_later)
        chosen = delivery_settings(**settings)
        inputs = Submitted(self.catalogue, chosen, anonymiser=anonymiser, now=self.clock.now, monotonic=self.clock)
        self.delivery = Delivery(
            inputs,
            Routing.of_one(self.model, self.breaker),
            self.publisher,
            chosen,
            monotonic=self.clock,
            now=self.clock.now,
            random=lambda: 0.5,
            sleep=self.clock.sleep,
            parts=inputs.parts,
            pauses=pauses,
        )

    def _say(self, prompt, attempt):
        said = self.saying[prompt.operation]
        if isinstance(said, BaseException):
            raise said
        return said

    async def handle(self, value, **message):
        return await self.delivery.handle(a_message(value, **message))


async def turns(count=50):
    """Let everyone do what they can do now: nothing here waits for the clock."""
    for _ in range(count):
        await asyncio.sleep(0)


async def finishes_with(task):
    """What a task ends with: its result or its exception."""
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    return outcome


def headers_of(message):
    """The headers of a message as texts."""
    return {name: value.decode() for name, value in message.headers}
