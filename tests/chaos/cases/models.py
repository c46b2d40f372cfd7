"""Two models, the first of which is down, and a worker that is killed meanwhile."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from tests.chaos.catalogue import case
from tests.chaos.ledger import Ledger
from tests.chaos.members import paused
from tests.chaos.proxy import Proxy
from tests.chaos.stage import Stage, fetch
from tests.integration.system_support import eventually
from tests.llm_server import Prices, running_llm_server

FIRST, SECOND = "gpt-4o-mini", "gpt-4o"
SECOND_PRICES = Prices(Decimal("0.0000025"), Decimal("0.00000125"), Decimal("0.00001"))
"""What OpenAI's price list says of it."""


@case("fallback-model-killed", seconds=600)
async def killed(stage: Stage) -> None:
    """The first model hangs, fails, refuses connections, each time until a SIGKILL is over: another one answers."""
    host, port = stage.ledger.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    async with (
        Proxy(host, int(port), rng=stage.random) as proxy,
        running_llm_server(Ledger(SECOND_PRICES)) as second,
    ):
        assert isinstance(second, Ledger)
        stage.more_ledgers.append(second)
        [worker] = await stage.system(
            LLM_MODEL=f"openai/{FIRST}",
            LLM_API_BASE=f"http://{proxy.address}/v1",
            LLM_FALLBACK_MODEL=f"openai/{SECOND}",
            LLM_FALLBACK_API_BASE=second.base_url,
            LLM_FALLBACK_API_KEY=stage.key,
            LLM_ATTEMPT_TIMEOUT_SECONDS=2,
        )
        answers = _answers_heard(stage)
        stage.ledger.latency = second.latency = 0.1
        for down in (_hangs, _fails, _refuses_connections):
            given, came = await stage.inputs.publish(60), stage.came
            await stage.outcomes(came + stage.random.randrange(1, 60))
            up = await down(stage, proxy)
            given, came = given + await stage.inputs.publish(120), stage.came
            await stage.outcomes(came + stage.random.randrange(60, 200))
            await stage.kill(worker)
            await worker.start()
            given += await stage.inputs.publish(40)
            await stage.answered(given)
            await up()
            await _first_answers_again(stage, answers)
        await stage.settled()
    await _under_the_model_that_answered(stage, answers)


Up = Callable[[], Awaitable[None]]


async def _hangs(stage: Stage, _: Proxy) -> Up:
    stage.ledger.gate.clear()

    async def up() -> None:
        stage.ledger.gate.set()

    return up


async def _fails(stage: Stage, _: Proxy) -> Up:
    stage.ledger.failing = 500

    async def up() -> None:
        stage.ledger.failing = None

    return up


async def _refuses_connections(stage: Stage, proxy: Proxy) -> Up:
    stage.ledger.gate.clear()
    await paused(0.5)  # what is answered already gets through
    proxy.cut()
    await eventually(lambda: not stage.ledger.under_way)
    stage.ledger.gate.set()

    async def up() -> None:
        proxy.pass_all()

    return up


def _answers_heard(stage: Stage) -> list[tuple[str, str]]:
    """The invocation of each result from here on, and the model that it names."""
    heard: list[tuple[str, str]] = []

    def hear(message: Any, _: str) -> None:
        told = json.loads(message.value)
        heard.append((told["invocation_id"], told["model"]))

    stage.sightings.told = hear
    return heard


async def _first_answers_again(stage: Stage, answers: list[tuple[str, str]]) -> None:
    since = len(answers)

    async def does() -> bool:
        await stage.answered(await stage.inputs.publish(4))
        return any(model == FIRST for _, model in answers[since:])

    await eventually(does, 120)


async def _under_the_model_that_answered(stage: Stage, answers: list[tuple[str, str]]) -> None:
    """Each result names the model of the one call of its invocation that was answered; both models have some."""
    rows = await fetch(stage.database, "SELECT invocation_id::text, model FROM llm_calls WHERE status = 'ok'")
    stored = Counter((row["invocation_id"], row["model"]) for row in rows)
    wrong = [answer for answer in answers if stored[answer] != 1]
    assert not wrong, f"{len(wrong)} results name a model that has no call of theirs"
    assert {model for _, model in answers} == {FIRST, SECOND}
