"""Dead letters that were replayed, and sending them to where they came from: what is to be done, then doing it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field

from adapters.kafka.dead_letters import DeadLetterTopic
from domain.dead_letters.originals import DamagedError, message_of
from domain.dead_letters.register import Filter, Known, Register
from domain.dead_letters.replay import DAMAGED, GONE, TOO_LARGE, Plan, Replays, doubts
from domain.errors import TooLargeError, UserError
from domain.ports import EventPublisher
from schemas.dead_letters import DeadLetter
from schemas.topics import INPUTS

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Found:
    """What stands on the topic of dead letters, and what was replayed of it.

    Attributes:
        matched: those that are meant, by the time of their latest failure.
        replays: theirs, as far as they are still on the topics of inputs.
        topics: the topics of inputs that exist.
        in_all: how many dead letters there are, meant or not.
        invalid: how many messages on the topic are no dead letters.
    """

    matched: list[Known]
    replays: Replays
    topics: set[str]
    in_all: int
    invalid: int

    def doubts(self) -> Iterator[str]:
        """A sentence where it cannot be known whether some were replayed."""
        left = [known for known in self.matched if not self.replays.done(known)]
        return doubts(sum(map(self.replays.forgotten, left)), len(left))


async def find(topic: DeadLetterTopic, chosen: Filter) -> Found:
    """Find the dead letters that are meant, and which of them were replayed.

    Raises:
        UserError: Kafka does not answer, the topic is not there, or an id is not on it.
        BrokerUnavailableError: Kafka cannot be read.
    """
    await topic.check()
    register = Register(chosen)
    await topic.fill(register)
    if missing := [str(one) for one in chosen.ids if one not in register]:
        raise UserError(
            f"There is no dead letter {missing[0]}{f', nor {len(missing) - 1} others' if missing[1:] else ''}.",
            "List them with `feedback dead-letters list`.",
        )
    matched = register.matching()
    # No other is read, nor written to: whoever may write dead letters could name any.
    topics = await topic.topics() & {one.name for one in INPUTS}
    seen = Replays(matched)
    await topic.find_replays(seen, matched, topics)
    return Found(matched, seen, topics, register.in_all, register.invalid)


@dataclass(slots=True)
class Replaying:
    """One use of the command.

    Attributes:
        topic: of the dead letters.
        plan: what is to be done; empty before `prepare`.
        matched, replayed: how many dead letters were meant, and how many were sent again.
        in_all: how many there are, meant or not.
        invalid: how many messages on the topic are no dead letters.
    """

    topic: DeadLetterTopic
    plan: Plan = field(default_factory=Plan)
    matched: int = 0
    replayed: int = 0
    in_all: int = 0
    invalid: int = 0

    async def prepare(self, chosen: Filter, among: Callable[[Known], bool] | None = None) -> None:
        """Find the dead letters, and which of them may be replayed.

        Args:
            chosen: which are meant.
            among: which of them, where not all.

        Raises:
            UserError: Kafka does not answer, the topic is not there, or an id is not on it.
            BrokerUnavailableError: Kafka cannot be read.
        """
        found = await find(self.topic, chosen)
        matched = found.matched if among is None else list(filter(among, found.matched))
        self.matched, self.in_all, self.invalid = len(matched), found.in_all, found.invalid
        self.plan = Plan.of(matched, found.replays, found.topics)

    async def carry_out(self, publisher: AbstractAsyncContextManager[EventPublisher]) -> None:
        """Replay what the plan says; each counts once Kafka has it.

        Raises:
            UserError, BrokerUnavailableError: Kafka cannot be reached, read, or did not take one.
        """
        left = {known.dead_letter_id: known for known in self.plan.replay}
        async with publisher as events, aclosing(self.topic.letters(self.plan.replay)) as batches:
            async for batch in batches:
                for start in range(0, len(batch), AT_ONCE):
                    await asyncio.gather(*(self._replay(events, *one) for one in batch[start : start + AT_ONCE]))
                for known, _ in batch:
                    left.pop(known.dead_letter_id, None)
        for known in left.values():
            self.plan.refuse(known, GONE)

    async def _replay(self, publisher: EventPublisher, known: Known, letter: DeadLetter) -> None:
        try:
            await publisher.publish(message_of(letter))
        except DamagedError:
            self.plan.refuse(known, DAMAGED)
        except TooLargeError:
            self.plan.refuse(known, TOO_LARGE)
        else:
            self.replayed += 1

    @property
    def last_line(self) -> str:
        """For scripts."""
        return (
            f"dead-letters: matched={self.matched} replayed={self.replayed} already={self.plan.already} "
            f"impossible={self.plan.refused}"
        )
