"""A great many records at once."""

from tests.chaos.catalogue import case
from tests.chaos.rebalances import written_down
from tests.chaos.stage import Stage

COUNT = 100_000
AT_ONCE = 1_000
WARM = 10_000
"""Outcomes after which a process holds what it will go on to hold."""


@case("backlog-100000", seconds=1500)
async def backlog(stage: Stage) -> None:
    """100,000 records wait before two workers start; one is killed on the way; memory stays bounded."""
    for _ in range(COUNT // AT_ONCE):
        await stage.inputs.publish(AT_ONCE, operations=("summarize",))
    stage.in_flight = 256
    one, two = await stage.system(workers=2, warm=0)
    await stage.outcomes(WARM, seconds=600)
    # Under full load: what they hold now is what they must not exceed in the end.
    await stage.weighed(two, stage.members["consumer"])
    await stage.outcomes(WARM + stage.random.randrange(WARM, 4 * WARM), seconds=900)
    async with written_down(stage):
        # Started again within its session or not, as quick as the machine is: then the other takes over meanwhile.
        killed, held = await stage.kill(one), one.partitions()
        await one.start()
        await stage.moving_again("worker killed with a backlog", held, *killed, seconds=600)
        await stage.outcomes(stage.came + WARM, seconds=600)
    await stage.weighed(one)
    await stage.answered(seconds=1200)
    await stage.settled()
    assert len({result.result_id for result in stage.sightings.results}) == COUNT
    assert all(member.alive for member in (one, two))
