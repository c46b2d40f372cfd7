"""Numbers of inputs: however JSON writes them, and nothing that only looks like one."""

import json

import pytest

from domain.delivery.decoding import decode
from domain.errors import InputError
from tests.builders import a_message, a_record


def refused(payload) -> str:
    with pytest.raises(InputError) as caught:
        decode(a_message(payload))
    return caught.value.reason


@pytest.mark.parametrize(
    ("version", "reason"),
    [(1.0, None), (1.5, "wrong_schema"), (True, "wrong_schema"), ("1", "wrong_schema"), (2.0, "unknown_version")],
)
def test_a_whole_number_is_one_however_it_is_written(version, reason):
    payload = json.loads(a_record().to_bytes()) | {"schema_version": version}
    if reason is None:
        assert decode(a_message(payload)) == a_record()
    else:
        assert refused(payload) == reason


@pytest.mark.parametrize("given", [True, "0.5", "1e-1"])
def test_a_threshold_is_a_number(given):
    payload = json.loads(a_record().to_bytes()) | {"confidence_threshold": given}
    assert refused(payload) == "wrong_schema"
