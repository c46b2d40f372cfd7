"""`feedback dead-letters replay`, and what it sends again, found on the topics of inputs."""

import re
from dataclasses import replace

from schemas.topics import RECORDS
from tests.chaos.evidence import Input
from tests.chaos.stage import Stage
from tests.integration.system_support import feedback, reading

_LAST_LINE = re.compile(r"dead-letters: matched=(\d+) replayed=(\d+) already=(\d+) impossible=(\d+)")


async def replay(stage: Stage, *chosen: str) -> tuple[int, ...]:
    """The exit code and the numbers of the last line."""
    bootstrap = stage.ground.kafka.bootstrap_servers
    arguments = ("dead-letters", "replay", "--yes", *chosen)
    async with feedback(*arguments, cwd=stage.home, KAFKA_BOOTSTRAP_SERVERS=bootstrap) as running:
        code = await running.ends(seconds=120)
    stage.texts[f"replay {len(stage.texts)}"] = running.out + running.errors
    match = _LAST_LINE.fullmatch(running.out.rstrip("\n").rpartition("\n")[2])
    assert match, f"{running.out}\n{running.errors}"
    return code, *map(int, match.groups())


async def replayed(stage: Stage, topic: str = RECORDS.name, *, cured: bool = True) -> list[Input]:
    """Find what was sent again, and count it among the inputs."""
    sent = {given.place: given for given in stage.inputs.sent}
    async with reading(stage.ground.kafka.bootstrap_servers, topic) as records:
        found = []
        for message in await records.all(topic):
            headers = dict(message.headers)
            place = message.topic, message.partition, message.offset
            if "feedback-replay-of" not in headers or place in sent:
                continue
            there, partition, offset = headers["feedback-replay-at"].decode().split(":")
            first = sent[there, int(partition), int(offset)]
            again = headers.get("feedback-operations", b"").decode()
            assert not first.operations or again in first.operations
            found.append(
                replace(
                    first,
                    place=place,
                    operations=(again,) if again else first.operations,
                    reason=None if cured else first.reason,
                    replayed=True,
                )
            )
    stage.inputs.sent += found
    return found
