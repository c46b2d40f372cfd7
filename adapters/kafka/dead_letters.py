"""The topic of dead letters, and the replays on the topics of inputs, read for an operator's command."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.kafka.bounded import Advance, existing_topics, extent_of, reading, unheard
from adapters.kafka.connection import KafkaConnection
from domain.dead_letters.register import Known, Register, read
from domain.dead_letters.replay import Replays
from domain.delivery.messages import moment_of
from schemas.dead_letters import DeadLetter
from schemas.topics import DEAD_LETTERS

CLOCKS_DIFFER_BY = timedelta(hours=1)
"""A replay's timestamp is of another clock than the time of the failure that it is looked for from."""

Begin = Callable[[str, int], Advance]
"""Called with what is read next, and how many offsets that is; what it returns is told of the progress."""


def _unseen(*_: object) -> Advance:
    return unheard


@dataclass(frozen=True, slots=True)
class DeadLetterTopic:
    """Reads what there is at the time of each call.

    Args:
        connection: how to reach Kafka.
        begin: told what is being read.
    """

    connection: KafkaConnection
    begin: Begin = _unseen

    async def check(self) -> None:
        """Return once Kafka answers and shows the topic.

        Raises:
            UserError: it does not.
        """
        await self.connection.check(topic=DEAD_LETTERS.name)

    async def fill(self, register: Register, latest: Callable[[DeadLetter], None] = unheard) -> None:
        """Enter all dead letters; `latest` is told of each one that is the latest of its id so far.

        Raises:
            BrokerUnavailableError: Kafka cannot be read.
        """
        async with reading(self.connection, DEAD_LETTERS.name) as reader:
            reader.tell(self.begin("dead letters", reader.total))
            async for batch in reader.batches():
                for record in batch:
                    sent_at = moment_of(record.timestamp)
                    letter = register.enter(record.value, record.partition, record.offset, sent_at)
                    if letter is not None:
                        latest(letter)
                await asyncio.sleep(0)  # a signal, the progress bar

    async def letters(self, chosen: Iterable[Known]) -> AsyncGenerator[list[tuple[Known, DeadLetter]], None]:
        """The dead letters themselves, a few at a time; what was deleted meanwhile does not come.

        Raises:
            BrokerUnavailableError: Kafka cannot be read.
        """
        wanted = {known.stands_at: known for known in chosen}
        async with reading(self.connection, DEAD_LETTERS.name, extent=extent_of(wanted)) as reader:
            reader.tell(self.begin("replaying", reader.total))
            async for batch in reader.batches():
                found = [
                    (known, letter)
                    for record in batch
                    if (known := wanted.get((record.partition, record.offset))) and (letter := read(record.value))
                ]
                if found:
                    yield found

    async def topics(self) -> set[str]:
        """The topics that exist, as far as this client may see them.

        Raises:
            BrokerUnavailableError: Kafka does not answer.
        """
        return await existing_topics(self.connection)

    async def find_replays(self, replays: Replays, of: Collection[Known], topics: Collection[str]) -> None:
        """Look for replays of dead letters on their sources, as far as these are among `topics`.

        A topic is read from the first failure on, where that is known; a compacted one from its beginning, as each
        key's newest value is asked for, too.

        Raises:
            BrokerUnavailableError: Kafka cannot be read.
        """
        by_topic: dict[str, list[Known]] = defaultdict(list)
        for known in of:
            by_topic[known.source[0]].append(known)
        for topic in sorted(by_topic.keys() & set(topics)):
            since = _since(by_topic[topic])
            # Whoever leaves a transaction open must not hide a replay.
            async with reading(self.connection, topic, since=since, committed_only=False) as reader:
                replays.begins(topic, reader.firsts)
                reader.tell(self.begin(f"replays on {topic}", reader.total))
                async for batch in reader.batches():
                    for record in batch:
                        replays.see(topic, record.partition, record.offset, record.key, record.value, record.headers)
                    await asyncio.sleep(0)


def _since(letters: Collection[Known]) -> datetime | None:
    """From when on one topic may hold replays of these; None: from its beginning on."""
    found = [known.since for known in letters if known.since is not None and not known.compacted]
    return min(found) - CLOCKS_DIFFER_BY if len(found) == len(letters) else None
