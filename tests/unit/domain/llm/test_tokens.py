"""Tokens are counted so that no script is taken for English."""

import asyncio
from dataclasses import replace

import pytest

from domain.delivery.steps import Asking, Clock, InvocationSteps
from domain.errors import TooLargeError
from domain.llm.breaker import CircuitBreaker
from domain.llm.retry import RetryPolicy
from domain.llm.routing import Route, Routing
from domain.llm.tokens import estimated, needed
from tests.builders import a_prompt, an_invocation
from tests.fakes import FakePublisher, ScriptedModel


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("dry", 1), ("water", 2), ("ماء", 3), ("вода", 4), ("水井", 3), ("è\ud800", 2)]
)
def test_each_script_has_its_measure(text, tokens):
    assert estimated(text) == tokens


def steps(*routes):
    asking = Asking(Routing(*routes), asyncio.Semaphore(1), RetryPolicy(), FakePublisher(), Clock())
    return InvocationSteps(asking, an_invocation(), "trace")


async def test_what_does_not_fit_is_told_before_anything_is_paid_for():
    prompt, model = a_prompt(), ScriptedModel()
    room = needed(prompt)
    await steps(Route(model, CircuitBreaker(), room)).ask(prompt, str)
    with pytest.raises(TooLargeError, match="LLM_CONTEXT_TOKENS"):
        await steps(Route(model, CircuitBreaker(), room - 1)).ask(prompt, str)
    assert len(model.asked) == 1


async def test_what_fits_the_fallback_alone_is_asked_of_it():
    prompt, models = replace(a_prompt(), user="x" * 3000), (ScriptedModel(), ScriptedModel())
    routes = [Route(model, CircuitBreaker(), room) for model, room in zip(models, (500, 5000), strict=True)]
    await steps(*routes).ask(prompt, str)
    assert [len(model.asked) for model in models] == [0, 1]
