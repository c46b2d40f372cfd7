"""Requests: what they may hold, and what is said of one that is none."""

import json

import pytest

from domain.delivery.decoding import decode
from domain.errors import WrongSchemaError
from tests.builders import a_message, an_analysis_request

REQUEST = json.loads(an_analysis_request().to_bytes())


def decoded(**fields):
    return decode(a_message({**REQUEST, **fields}, topic="feedback.requests"))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (
            {"records": [{"record_id": "a", "content": "x"}, {"record_id": "a", "content": "SECRET"}]},
            "`records` holds two",
        ),
        ({"part": {"number": 3, "of": 2}}, "`part` has a number above the number of parts"),
        ({"part": {"number": 0, "of": 2}}, "`part.number` is less than 1"),
        ({"part": {"number": 1, "of": 257}}, "`part.of` is more than 256"),
        ({"part": {"number": "1", "of": 2}}, "`part.number` is text, and not a whole number"),
        ({"part": {"number": 1, "of": True}}, "`part.of` is true or false, and not a whole number"),
        ({"part": 1}, "`part` is a number, and not an object"),
        ({"mode": "quick"}, "`mode` is not"),
        (
            {"period": {"start": "2026-05-01T00:00:00Z", "end": "2026-05-01T00:00:00Z"}},
            "`period` does not begin before it ends",
        ),
    ],
)
def test_what_does_not_hold_together_is_refused_without_a_word_of_it(fields, complaint):
    with pytest.raises(WrongSchemaError) as caught:
        decoded(**fields)
    assert complaint in caught.value.message
    assert "SECRET" not in caught.value.message


def test_a_request_is_whole_and_read_as_it_fits_unless_it_says_otherwise():
    request = decoded()
    assert (request.part, request.mode) == (None, "auto")
    assert decoded(part={"number": 256, "of": 256}).part.number == 256
