"""A judge that is killed, or does not get through: results are judged once, and unharmed whatever becomes of it."""

from tests.chaos.cases.broker import kill_broker
from tests.chaos.catalogue import case
from tests.chaos.stage import Stage


@case("judge-killed")
async def killed(stage: Stage) -> None:
    """A judge is killed three times with calls in flight, and started again: each result is judged under one id."""
    judge = await stage.judge()
    await stage.system()
    stage.ledger.latency = 0.1
    for _ in range(3):
        inputs, came = await stage.inputs.publish(60), stage.came
        await stage.outcomes(came + 60 + stage.random.randrange(1, 60))
        await stage.kill(judge)
        await judge.start()
        await stage.answered(inputs)
    await stage.settled()


@case("judge-away")
async def away(stage: Stage) -> None:
    """There is no judge for as long as the records are answered: nothing waits for it, and it makes up for all."""
    judge = await stage.judge()
    await stage.system()
    assert await stage.stop(judge) == 0
    records = await stage.inputs.publish(300)
    await stage.answered(records)
    assert any(name == "judge" for given in stage.inputs.sent for name in given.operations)
    await judge.start()
    await stage.settled()


@case("judge-broker-killed")
async def broker_killed(stage: Stage) -> None:
    """The broker is killed three times under a judge at work, which lives on: each result is judged under one id."""
    judge = await stage.judge()
    await stage.system()
    stage.ledger.latency = 0.1
    for number in range(3):
        came = stage.came
        await stage.inputs.publish(200)
        await stage.outcomes(came + 100 + stage.random.randrange(1, 100))
        await kill_broker(stage, judge, 2)
        await stage.settled()
        if not number:  # never before had it as many calls under way: each has a connection of its own
            await stage.weighed(judge)
    assert judge.alive
