"""Whether a topic is still the one that was read, as Kafka's ids tell."""

import logging
from collections.abc import Collection, Mapping

from domain.delivery.remade_topics import RemadeTopics
from domain.errors import BrokerUnavailableError


class Ids:
    """Kafka's ids, as a test sets them; None: Kafka is away."""

    def __init__(self) -> None:
        self.now: dict[str, str] | None = {"a": "1", "b": "1"}

    async def of(self, topics: Collection[str]) -> Mapping[str, str]:
        if self.now is None:
            raise BrokerUnavailableError("away")
        return {topic: found for topic, found in self.now.items() if topic in topics}


async def test_a_topic_made_anew_begins_anew_once(caplog):
    ids = Ids()
    topics = RemadeTopics(ids)
    assert await topics.begin({"a", "b"}) == set()
    assert await topics.unchanged({"a", "b"}) == {"a", "b"}
    ids.now = {"a": "2", "b": "1"}
    assert await topics.unchanged({"a", "b"}) == {"b"}
    assert await topics.look({"a", "b"})
    assert await topics.begin({"a", "b"}) == {"a"}
    assert await topics.begin({"a", "b"}) == set()
    assert await topics.unchanged({"a", "b"}) == {"a", "b"}
    assert not await topics.look({"a", "b"})
    [said] = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert "The topic a was deleted and made anew" in said


async def test_what_kafka_does_not_tell_is_not_committed_and_is_found_later():
    ids = Ids()
    topics = RemadeTopics(ids)
    await topics.begin({"a"})
    for nothing in (None, {}):  # away; deleted
        ids.now = nothing
        assert await topics.unchanged({"a"}) == set()
        assert not await topics.look({"a"})
        assert await topics.begin({"a"}) == set()
    ids.now = {"a": "2"}
    assert await topics.look({"a"})
    assert await topics.begin({"a"}) == {"a"}


async def test_nobody_who_asks():
    topics = RemadeTopics(None)
    assert await topics.begin({"a"}) == set()
    assert await topics.unchanged({"a"}) == {"a"}
    assert not await topics.look({"a"})
