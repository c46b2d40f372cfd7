"""The operations that `feedback run` takes are those that this release carries out."""

import pytest

from runtime.cli.run import CARRIED_OUT
from schemas.operations import RecordOperation
from tests.builders import a_record
from tests.unit.domain.delivery.setup import Setup


@pytest.mark.parametrize("operation", RecordOperation)
async def test_it_takes_what_a_worker_answers_and_nothing_else(operation):
    setup = Setup()
    await setup.handle(a_record(operations=[operation]))
    reasons = [letter.reason for letter in setup.publisher.dead_letters()]
    assert reasons == ([] if operation in CARRIED_OUT else ["operation_unavailable"])
