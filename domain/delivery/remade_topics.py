"""Topics that are deleted and made anew while a process reads them.

Offsets begin at 0 again, so that all that was remembered, and is committed by the topic's name, points at messages of
the new topic that nobody has read: going on from there would skip them. The topic's id, which Kafka gives to each topic
once, tells the two apart.
"""

import logging
from collections.abc import Collection, Mapping

from domain.errors import BrokerUnavailableError
from domain.ports import TopicIds

log = logging.getLogger(__name__)


class RemadeTopics:
    """What one process remembers of the topics that it reads.

    Kafka drops a group's offsets of a topic that is deleted. So a process that starts, and has seen no id yet, may
    trust what is committed, as long as no process ever commits offsets of the old topic: ask `unchanged` before each
    commit.

    Args:
        ids: asks Kafka; None: nobody does, and every topic is taken to be the one that it was.
    """

    def __init__(self, ids: TopicIds | None) -> None:
        self._ids = ids
        self._known: dict[str, str] = {}

    async def begin(self, topics: Collection[str]) -> set[str]:
        """These topics are read from now on: which of them are others than this process read before under their names.

        Those must be read from their beginning, whatever is committed; said in the log, and once. What Kafka does not
        tell now, `look` finds later.
        """
        now = await self._ask(topics) or {}
        remade = {topic for topic, found in now.items() if self._known.get(topic, found) != found}
        self._known.update(now)
        for topic in sorted(remade):
            log.error(
                "The topic %s was deleted and made anew: it is read from its beginning. What was unread in the old one "
                "is gone, and has no outcome",
                topic,
            )
        return remade

    async def unchanged(self, topics: Collection[str]) -> set[str]:
        """Which of these topics are still what they were, for certain: of those offsets may be committed."""
        now = await self._ask(topics) or {}
        for topic, found in now.items():
            self._known.setdefault(topic, found)
        return {topic for topic, found in now.items() if self._known[topic] == found}

    async def look(self, topics: Collection[str]) -> bool:
        """Whether one of these topics is another one by now: time to give up all partitions, and to `begin`."""
        now = await self._ask(topics) or {}
        return any(self._known.get(topic, found) != found for topic, found in now.items())

    async def _ask(self, topics: Collection[str]) -> Mapping[str, str] | None:
        if not topics:
            return None
        if self._ids is None:
            return dict.fromkeys(topics, "")
        try:
            return await self._ids.of(topics)
        except BrokerUnavailableError as error:
            log.debug("%s", error)
            return None
