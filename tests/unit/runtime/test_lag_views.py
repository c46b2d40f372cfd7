"""What a person sees of lag: it fits the terminal, and a pipe gets everything."""

import io
import json
from datetime import timedelta

import pytest
from rich.console import Console

from domain.lag import GroupLag, PartitionLag, part_of
from runtime.cli.lag_views import as_json, full_table, notes_on, short_table
from schemas.topics import CODE_ASSIGNMENTS, CORRECTIONS, RECORDS, REQUESTS, RESULTS
from tests.builders import NOON

LONG_AGO = NOON - timedelta(days=364, hours=23)


def printed(table, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def read(topic, *partitions) -> tuple[PartitionLag, ...]:
    return tuple(PartitionLag(topic.name, number, 7, 0, 7) for number in partitions)


BEHIND = PartitionLag(CODE_ASSIGNMENTS.name, 0, 1_234_567, 0, 2_234_567, LONG_AGO)
CODINGS = GroupLag("feedback-llm-calls-codings", 2, (BEHIND, *read(CODE_ASSIGNMENTS, 1, 2), *read(CORRECTIONS, 0, 1)))
JUDGES = GroupLag("feedback-judges", 1, tuple(one for topic in RESULTS for one in read(topic, *range(6))))


@pytest.mark.parametrize("width", [80, 100])
def test_on_a_terminal_the_rows_fit_and_what_is_read_shares_one(width):
    lines = printed(short_table([CODINGS, JUDGES], NOON), width)
    assert max(map(len, lines)) <= width
    rows = [line.split() for line in lines if "feedback" in line]
    assert rows == [
        ["feedback-llm-calls-codings", "2", "members", "1000000", "364d", "23h"],
        [CODE_ASSIGNMENTS.name, "0", "1234567", "2234567", "1000000", "364d", "23h"],
        [CODE_ASSIGNMENTS.name, "2", "more", "0", "-"],
        [CORRECTIONS.name, "all", "2", "0", "-"],
        ["feedback-judges", "1", "member", "0", "-"],
        *([topic.name, "all", "6", "0", "-"] for topic in RESULTS),
    ]


def test_figures_are_whole_at_80_columns_however_long_names_and_figures_are():
    far = PartitionLag(CODE_ASSIGNMENTS.name, 999, 10**11, 0, 10**12, LONG_AGO)
    lines = printed(short_table([GroupLag("[bold]" + "g" * 100, 12, (far,))], NOON), 80)
    assert max(map(len, lines)) <= 80
    text = " ".join(lines)
    assert all(str(number) in text for number in (10**11, 10**12, 9 * 10**11))
    assert "…" not in text
    assert sum(line.count("g") for line in lines[2:]) >= 100


def test_what_was_lost_is_told_though_all_that_is_left_is_read():
    lost = PartitionLag(RECORDS.name, 3, 2, 9, 9)
    rows = [line.split() for line in printed(short_table([GroupLag("g", 1, (lost,))], NOON), 80)]
    assert [RECORDS.name, "3", "2", "9", "0", "-"] in rows


def test_in_a_pipe_each_partition_has_a_row_with_its_group():
    rows = [line.split() for line in printed(full_table([CODINGS, JUDGES], NOON), 1000)]
    for group in (CODINGS, JUDGES):
        for one in group.partitions:
            assert any(row[:3] == [group.group, one.topic, str(one.partition)] for row in rows), one
        assert any(row[:2] == [group.group, "total"] for row in rows)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b'{"request_id": "r", "part": {"number": 2, "of": 3}, "records": []}', (2, 3)),
        (b'{"part": {"number": 1, "of": 1}}', (1, 1)),
        (b'{"part": {"number": 4, "of": 3}}', None),
        (b'{"part": null}', None),
        (b'{"records": []}', None),
        (b"[1]", None),
        (b"\xff", None),
        (None, None),
    ],
)
def test_which_part_of_a_request_a_message_is(value, found):
    part = part_of(value)
    assert (None if part is None else (part.number, part.of)) == found


def test_a_part_that_waits_is_said():
    part = part_of(b'{"part": {"number": 2, "of": 3}}')
    alone = part_of(b'{"part": {"number": 1, "of": 1}}')
    behind = [PartitionLag(REQUESTS.name, number, 4, 0, 5, NOON, which) for number, which in ((0, part), (1, alone))]
    group = GroupLag("g", 1, tuple(behind))
    [note] = notes_on([group])
    assert note.startswith(f"g, {REQUESTS.name} partition 0: the oldest unread message is part 2 of 3 of a request;")
    assert "PARTS_WAIT_SECONDS" in note
    told = [one["oldest_unread_part"] for one in json.loads(as_json(group, NOON))["partitions"]]
    assert told == [{"number": 2, "of": 3}, {"number": 1, "of": 1}]
