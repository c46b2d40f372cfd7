"""Cursors: what we wrote is read, what anybody else wrote is held to the limits of what may be asked."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api.errors import APIError
from api.usage_cursors import Cursor, read, written
from domain.usage.report import Window

QUESTION = ["tenant", None, "UTC"]
START = datetime(2026, 11, 1, tzinfo=UTC)
OURS = Cursor(Window(START, START + timedelta(days=30)), START + timedelta(days=31), 100, "0a1b")


def refused(cursor: str) -> str:
    with pytest.raises(APIError) as caught:
        read(cursor, QUESTION)
    assert caught.value.status == 422
    return caught.value.code


def encoded(says: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(says).encode()).decode().rstrip("=")


def test_what_was_written_is_read():
    assert read(written(OURS, QUESTION), QUESTION) == OURS


@pytest.mark.parametrize(
    "forged",
    [
        replace(OURS, window=Window(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))),
        replace(OURS, window=Window(START, START + timedelta(days=366 * 25))),
        replace(OURS, window=Window(OURS.window.end, START)),
        replace(OURS, window=Window(START.replace(tzinfo=None), OURS.window.end.replace(tzinfo=None))),
        replace(OURS, as_of=OURS.as_of.replace(tzinfo=None)),
        replace(OURS, as_of=datetime(1, 1, 1, tzinfo=UTC)),
        replace(OURS, number=0),
        replace(OURS, number=-5),
        replace(OURS, number="100"),
        replace(OURS, place=7),
    ],
)
def test_what_could_not_be_asked_is_refused_though_its_seal_is_right(forged):
    assert refused(written(forged, QUESTION)) == "invalid_cursor"


@pytest.mark.parametrize("says", [[], [1, 2, 3, 4, 5, 6], {"a": 1}, None, "x", [[[[]]]], [*"abcdef"], 10**100])
def test_what_is_no_cursor_is_refused(says):
    assert refused(encoded(says)) == "invalid_cursor"
