"""A replay of one operation's dead letter is asked that operation alone."""

import pytest

from domain.dead_letters.originals import message_of
from domain.delivery import replays
from domain.errors import ProviderRefusedError
from tests.builders import a_message, a_record
from tests.fakes import USUAL_ANSWERS
from tests.unit.domain.delivery.setup import CODES, DEAD, SUMMARIES, Setup


async def test_only_what_had_no_result_is_done_again_under_the_id_that_it_would_have_had():
    setup = Setup(saying={"summarize": ProviderRefusedError("No.")})
    await setup.handle(a_record())
    (letter,) = setup.publisher.dead_letters()
    setup.saying |= USUAL_ANSWERS
    replay = message_of(letter)
    await setup.delivery.handle(a_message(replay.value, key=replay.key, headers=replay.headers))
    counts = setup.publisher.counts()
    assert (counts[CODES], counts[SUMMARIES], counts[DEAD]) == (1, 1, 1)
    assert setup.publisher.on(SUMMARIES)[0]["result_id"] == str(letter.result_id)


@pytest.mark.parametrize("value", [b"dance", b"detect_sensitive", b"", b"\xff"])
async def test_a_limit_to_nothing_that_was_asked_is_none(value):
    setup = Setup()
    await setup.handle(a_record(), headers=((replays.OPERATIONS, value),))
    counts = setup.publisher.counts()
    assert (counts[CODES], counts[SUMMARIES]) == (1, 1)
