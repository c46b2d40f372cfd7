"""A fault is told by its kind and place, and nothing that is printed of it quotes an input."""

import logging
import traceback

import pytest

from domain.errors import BrokerUnavailableError, BugError
from tests.builders import a_record
from tests.fakes import USUAL_ANSWERS
from tests.unit.domain.delivery.setup import Setup

SECRET = "Amina at 0790123456"


async def crash(setup: Setup) -> BugError:
    """What stops the worker, of a few inputs the first that does."""
    for n in range(3):
        try:
            await setup.handle(a_record(record_id=str(n)))
        except BugError as error:
            return error
    raise AssertionError("nothing stopped the worker")


def printed(error: BaseException) -> str:
    """What a careless top level would print: the chain of causes and contexts, suppressed ones too."""
    told = traceback.format_exception(error)
    for linked in (error.__cause__, error.__context__):
        if linked is not None:
            told.append(printed(linked))
    return "".join(told)


async def test_a_bug_that_stops_the_worker_says_nothing_of_the_input(caplog):
    caplog.set_level(logging.DEBUG)
    setup = Setup(saying=dict.fromkeys(USUAL_ANSWERS, ValueError(SECRET)))
    error = await crash(setup)
    assert "ValueError" in error.message
    assert SECRET not in printed(error) + caplog.text
    assert "test_faults" not in error.message
    assert "setup.py" in caplog.text, "the frames are logged"


async def test_a_bug_outside_of_the_operations_says_nothing_either(caplog):
    caplog.set_level(logging.DEBUG)
    setup = Setup()

    def refuse(message):
        raise RuntimeError(SECRET)

    setup.publisher.refuse = refuse
    error = await crash(setup)
    assert "RuntimeError" in error.message
    assert SECRET not in printed(error) + caplog.text


async def test_an_error_of_ours_after_a_bug_does_not_bring_it_along():
    setup = Setup(saying=dict.fromkeys(USUAL_ANSWERS, ValueError(SECRET)))

    def refuse(message):
        raise BrokerUnavailableError("gone")

    setup.publisher.refuse = refuse
    with pytest.raises(BrokerUnavailableError) as caught:
        await setup.handle(a_record(operations=["summarize"]))
    assert SECRET not in printed(caught.value)
