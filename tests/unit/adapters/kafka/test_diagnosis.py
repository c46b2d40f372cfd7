"""Whoever connects hears what Kafka's client says of it, and nothing is said twice."""

import logging

import pytest

from adapters.kafka.diagnosis import Listening

CLIENT = logging.getLogger("aiokafka.conn")


@pytest.fixture
def level():
    before = CLIENT.level
    CLIENT.setLevel(logging.CRITICAL)
    yield logging.CRITICAL
    CLIENT.setLevel(before)


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_two_that_connect_at_once_both_hear_and_leave_the_log_as_it_was(level, caplog, first_to_end):
    listening = [Listening(), Listening()]
    refused = ConnectionRefusedError("refused")
    for one in listening:
        one.__enter__()
    CLIENT.error("connect failed: %s", refused)
    listening[first_to_end].__exit__(None, None, None)
    CLIENT.error("connect failed: %s", refused)
    listening[1 - first_to_end].__exit__(None, None, None)
    CLIENT.info("authenticated")

    assert [len(one.errors) for one in listening] == [1 + (first_to_end == 1), 1 + (first_to_end == 0)]
    assert CLIENT.level == level
    assert CLIENT.filters == []
    assert caplog.records == []
