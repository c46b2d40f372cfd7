"""`feedback run` takes the operations that a record can ask for, and a worker answers each of them."""

import click
import pytest

from runtime.cli.run import Operations
from schemas.operations import RecordOperation
from tests.builders import a_record
from tests.unit.domain.delivery.setup import Setup


@pytest.mark.parametrize("operation", RecordOperation)
async def test_a_worker_answers_what_it_takes(operation):
    assert Operations().convert(operation.value, None, None) == (operation,)
    setup = Setup()
    await setup.handle(a_record(operations=[operation]))
    assert setup.publisher.dead_letters() == []


def test_names_are_taken_once_in_the_order_given_and_others_refused():
    asked = Operations().convert("detect_sensitive, summarize,detect_sensitive", None, None)
    assert asked == (RecordOperation.DETECT_SENSITIVE, RecordOperation.SUMMARIZE)
    with pytest.raises(click.BadParameter, match="among the operations: assign_codes, summarize, detect_sensitive"):
        Operations().convert("analyze", None, None)
