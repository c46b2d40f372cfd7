"""What was set aside for a budget: where it may be sent, and what is said where it cannot be."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.delivery.pauses import NOBODY, PausedNow
from domain.delivery.replays import OF
from domain.errors import BrokerUnavailableError, UserError
from runtime.sending_again import SetAsideInputs
from schemas.topics import TOPICS
from tests.fakes import FakePublisher
from tests.unit.domain.dead_letters.test_register import a_letter

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVER = datetime(2000, 1, 1, tzinfo=UTC)


class Topic:
    """The topic of dead letters with these on it; nothing was sent again before."""

    def __init__(self, *letters) -> None:
        self.letters_there = letters

    async def check(self) -> None:
        """It is there."""

    async def fill(self, register, latest=None) -> None:
        for offset, letter in enumerate(self.letters_there):
            register.enter(letter.to_bytes(), 0, offset)

    async def topics(self) -> set[str]:
        return {topic.name for topic in TOPICS}

    async def find_replays(self, replays, of, topics) -> None:
        """There are none."""

    async def letters(self, chosen):
        yield [(known, self.letters_there[known.stands_at[1]]) for known in chosen]


def a_set_aside(number: int, **fields):
    usual = {"dead_letter_id": UUID(int=number), "reason": "budget_exhausted", "operation": "summarize"}
    return a_letter(**usual | fields)


async def sent_again(
    *letters, tenants=("red-hill",), paused=NOBODY, since=EVER, topic=Topic
) -> tuple[int, list[tuple[str, int]]]:
    publisher = FakePublisher()
    count = await SetAsideInputs(topic(*letters), publisher).send_again(dict.fromkeys(tenants, since), paused)
    return count, [(one.topic, UUID(dict(one.headers)[OF].decode()).int) for one in publisher.acknowledged]


async def test_only_what_a_budget_left_undone_of_these_tenants_and_what_is_not_paused_goes_back_to_workers():
    letters = [
        a_set_aside(1),
        a_set_aside(2, topic="feedback.requests", operation="analyze"),
        a_set_aside(3, operation="assign_codes"),
        a_set_aside(4, tenant_id="others"),
        a_set_aside(5, reason="llm_error"),
        a_set_aside(6, topic="llm.calls"),  # whoever may write dead letters may forge one
        a_set_aside(7, topic="feedback.frameworks"),
        a_set_aside(8, value_base64="no base64"),
    ]
    still = PausedNow({("red-hill", "assign_codes"), ("others", None)})
    assert await sent_again(*letters, paused=still) == (2, [("feedback.records", 1), ("feedback.requests", 2)])
    assert (await sent_again(*letters))[0] == 3
    assert await sent_again(*letters, tenants=("nobody",)) == (0, [])


async def test_what_was_left_undone_before_a_pause_waits_for_none_of_now():
    """Its replay may be gone from the topic of inputs: it would be sent, and paid for, again and again."""
    letters = [a_set_aside(1, failed_at=AT - timedelta(days=9)), a_set_aside(2, failed_at=AT)]
    assert await sent_again(*letters, since=AT) == (1, [("feedback.records", 2)])


async def test_what_waits_for_a_topic_that_is_not_seen_is_not_taken_for_sent():
    class Partly(Topic):
        async def topics(self) -> set[str]:
            return {"feedback.records"}

    letters = [a_set_aside(1), a_set_aside(2, topic="feedback.requests", operation="analyze")]
    with pytest.raises(BrokerUnavailableError, match=r"1 inputs .* wait for a topic that is not there"):
        await sent_again(*letters, topic=Partly)


async def test_what_cannot_be_done_is_said_with_what_does_it_by_hand():
    class Forbidden(Topic):
        async def check(self) -> None:
            raise UserError("We may not read it.", "Grant Read.")

    with pytest.raises(BrokerUnavailableError) as caught:
        await SetAsideInputs(Forbidden(), FakePublisher()).send_again({"a": EVER}, NOBODY)
    assert "We may not read it. Grant Read." in caught.value.message
    assert "`feedback dead-letters replay --reason budget_exhausted`" in caught.value.message
