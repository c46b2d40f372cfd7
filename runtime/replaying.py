"""Sending dead letters again to where they came from: what is to be done, then doing it."""

import asyncio
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field

from adapters.kafka.dead_letters import DeadLetterTopic
from domain.dead_letters.originals import DamagedError, message_of
from domain.dead_letters.register import Filter, Known, Register
from domain.dead_letters.replay import DAMAGED, GONE, TOO_LARGE, Plan, Replays
from domain.errors import TooLargeError, UserError
from domain.ports import EventPublisher
from schemas.dead_letters import DeadLetter
from schemas.topics import INPUTS

AT_ONCE = 200


@dataclass(slots=True)
class Replaying:
    """One use of the command.

    Attributes:
        topic: of the dead letters.
        plan: what is to be done; empty before `prepare`.
        matched, replayed: how many dead letters were meant, and how many were sent again.
        invalid: how many messages on the topic are no dead letters.
    """

    topic: DeadLetterTopic
    plan: Plan = field(default_factory=Plan)
    matched: int = 0
    replayed: int = 0
    invalid: int = 0

    async def prepare(self, chosen: Filter) -> None:
        """Find the dead letters, and which of them may be replayed.

        Raises:
            UserError: Kafka does not answer, the topic is not there, or an id is not on it.
            BrokerUnavailableError: Kafka cannot be read.
        """
        await self.topic.check()
        register = Register(chosen)
        await self.topic.fill(register)
        self.invalid = register.invalid
        matched = register.matching()
        if missing := [str(one) for one in chosen.ids if one not in register]:
            raise UserError(
                f"There is no dead letter {missing[0]}{f', nor {len(missing) - 1} others' if missing[1:] else ''}.",
                "List them with `feedback dead-letters list`.",
            )
        self.matched = len(matched)
        # No other is read, nor written to: whoever may write dead letters could name any.
        topics = await self.topic.topics() & {topic.name for topic in INPUTS}
        seen = Replays(matched)
        await self.topic.find_replays(seen, matched, topics)
        self.plan = Plan.of(matched, seen, topics)

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
