"""A watch on budgets, and a worker, killed while a hard stop holds inputs back, and while these are sent again."""

import signal
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic

from domain.delivery.replays import OF
from schemas.cloudevents import deterministic_id
from schemas.topics import LLM_CALLS, RECORDS
from tests.builders import TENANT
from tests.chaos.catalogue import case
from tests.chaos.evidence import Input
from tests.chaos.foreign import a_warm_consumer
from tests.chaos.members import Member, a_port
from tests.chaos.record import Stake
from tests.chaos.replaying import replayed
from tests.chaos.stage import Stage
from tests.integration.system_support import reading
from tests.usage_support import llm_call

HELD_BACK = 400
_LOOKS = 1.0
"""Seconds between two looks of a worker for who is paused."""

_SENT = r"budget pauses that are over: \d+; inputs sent again: \d+"
_FILE = """
[[budgets]]
tenant = "{tenant}"
operation = "summarize"
period = "month"
limit_usd = {limit}
hard_stop = true
"""


@case("budgets-killed")
async def budgets_killed(stage: Stage) -> None:
    """Watch and worker are killed while a budget holds inputs back, and while these are sent again: none is lost."""
    await stage.consumer()
    await a_warm_consumer(stage)
    watch = await _a_watch(stage, limit=1)
    await _spend(stage, "2")
    await watch.life.says("1 pauses began")
    worker = await stage.worker(DATABASE_URL=stage.database, BUDGET_PAUSE_SECONDS=_LOOKS)
    codings = await stage.inputs.publish(60, operations=("assign_codes",))
    await stage.answered(codings)

    # The operation alone is paused; its inputs are set aside, and who is killed meanwhile changes nothing.
    await stage.inputs.publish(HELD_BACK, "[[slow:1]]", operations=("summarize",), reason="budget_exhausted")
    await stage.outcomes(HELD_BACK // 8)
    await stage.kill(worker)
    await _killed(watch)
    await watch.start(joined=False)
    await worker.start()
    await stage.inputs.publish(60, operations=("assign_codes",))
    await stage.settled()
    assert not any(asked.task == "summarize" for asked in stage.ledger.served()), "what is paused was asked for"

    # The limit is raised. The next watch is killed as soon as it has sent something, the one behind it sends the rest.
    await _killed(watch)
    (stage.home / "budgets.toml").write_text(_FILE.format(tenant=TENANT, limit=1000))
    async with reading(stage.ground.kafka.bootstrap_servers, RECORDS.name) as records:
        await watch.start(joined=False)
        await records.until(lambda message: OF in dict(message.headers))
        await _killed(watch)
    again = await replayed(stage)
    await stage.outcomes(stage.came + 1)
    await _killed_at_what_was_sent_again(stage, worker, again)
    await worker.start()
    await watch.start(joined=False)
    await watch.life.says(_SENT, 120)
    again += await replayed(stage)
    assert len({given.event_id for given in again}) == HELD_BACK
    assert set(Counter(given.event_id for given in again).values()) == {1}, "some were sent again twice"
    await stage.sightings.until(lambda: not _unanswered(stage, again))
    await stage.settled()
    assert await stage.stop(watch) == 0


async def _a_watch(stage: Stage, limit: int) -> Member:
    """One that looks all the time, in a file of its own of what may be spent."""
    (stage.home / "budgets.toml").write_text(_FILE.format(tenant=TENANT, limit=limit))
    port = a_port()
    given: dict[str, object] = {
        "KAFKA_BOOTSTRAP_SERVERS": stage.ground.kafka.bootstrap_servers,
        "DATABASE_URL": stage.database,
        "BUDGETS_FILE": "budgets.toml",
        "BUDGET_SECONDS": 0.2,
        "BUDGET_PAUSE_SECONDS": _LOOKS,
        "METRICS_PORT": port,
    }
    watch = stage.members["budgets"] = Member("budgets", "budgets", given, stage.home, 0, stage.stack, port)
    await watch.start(joined=False)
    return watch


async def _spend(stage: Stage, usd: str) -> None:
    """Another service's call, by the same topic."""
    now = datetime.now(UTC)
    call = llm_call(
        tenant_id=TENANT,
        operation="summarize",
        timestamp=now,
        invocation_started_at=now,
        record_id=None,
        cost_usd=Decimal(usd),
    )
    stage.foreign_calls.add(str(call.call_id))
    await stage.inputs.publish_value(call.to_bytes(), topic=LLM_CALLS.name)


async def _killed(watch: Member) -> None:
    watch.send(signal.SIGKILL)  # not written down: a watch answers nothing, so nobody repeats anything for it
    await watch.ended()


async def _killed_at_what_was_sent_again(stage: Stage, worker: Member, again: list[Input]) -> None:
    """As `Stage.kill`, which takes an input that has a dead letter for answered."""
    began = monotonic()
    worker.send(signal.SIGKILL)
    await worker.ended()
    await stage.sightings.caught_up()
    at_work = min(worker.in_flight, len(_unanswered(stage, again)))
    await stage.disturbed("kill", "SIGKILL of worker", Stake(at_work, frozenset(worker.partitions())), began)


def _unanswered(stage: Stage, again: list[Input]) -> set[str]:
    wanted = {str(deterministic_id(given.event_id, "summarize")) for given in again}
    return wanted - {result.result_id for result in stage.sightings.results}
