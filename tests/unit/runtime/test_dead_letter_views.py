"""What a person sees of dead letters: nothing confidential unasked, nothing that commands the terminal."""

import io
import json
from base64 import b64encode
from uuid import UUID

import pytest
from rich.cells import cell_len
from rich.console import Console

from domain.delivery.reasons import REASONS
from runtime.cli.dead_letter_views import as_json, ids_of, lines_of, nothing_found, print_table, summary_of
from tests.unit.domain.dead_letters.test_register import a_letter, a_register

HOSTILE = "\x1b[2J[bold]\u202e\n"


def never(_):
    return False


def printed(letters, width=None, replayed=never) -> list[str]:
    out = io.StringIO()
    print_table(Console(file=out, width=2000), letters, replayed, width)
    return out.getvalue().splitlines()


def in_base64(raw: bytes) -> str:
    return b64encode(raw).decode()


def shown(**fields) -> str:
    content = fields.pop("content", False)
    return "\n".join(lines_of(a_letter(**fields), 2, content=content))


def test_the_content_is_shown_on_demand_only():
    assert "{oops" not in shown()
    assert shown(content=True).endswith("\n{oops")
    assert shown(content=True, value_base64=in_base64(b"\xff\x00")).endswith("\n0xff00")
    assert "too large" in shown(content=True, value_base64=None)
    assert "none (null)" in shown(value_base64=None, reason="empty_payload")
    assert "no base64" in shown(content=True, value_base64="a")


def test_nothing_commands_the_terminal():
    raw = in_base64(HOSTILE.encode())
    headers = [{"key": HOSTILE, "value_base64": raw}, {"key": "none"}]
    fields = {"tenant_id": HOSTILE, "reason": HOSTILE, "operation": HOSTILE, "message": HOSTILE}
    told = shown(key_base64=raw, value_base64=raw, content=True, headers=headers, **fields)
    known = a_register(a_letter(**fields)).matching()
    table = "\n".join(printed(known))
    for text in (told, table, summary_of(known, 1, never), as_json(known[0], replayed=False)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "[bold]" in table


def test_a_script_gets_all_but_the_content():
    (known,) = a_register(a_letter(dead_letter_id=UUID(int=1))).matching()
    assert json.loads(as_json(known, replayed=True)) == {
        "dead_letter_id": str(UUID(int=1)),
        "failed_at": "2026-05-04T12:00:00Z",
        "tenant_id": "red-hill",
        "record_id": "record-1",
        "reason": "not_json",
        "source": {"topic": "feedback.records", "partition": 0, "offset": 7},
        "has_original": True,
        "replayed": True,
        "times": 1,
    }


def test_what_was_replayed_is_told_in_the_table_and_counted():
    letters = a_register(*(a_letter(offset=offset) for offset in range(3))).matching()
    first = letters[0].dead_letter_id

    def replayed(known):
        return known.dead_letter_id == first

    rows = {row.split()[0]: row.split()[-2] for row in printed(letters, replayed=replayed) if "not_json" in row}
    assert rows == {str(known.dead_letter_id): "yes" if replayed(known) else "no" for known in letters}
    assert summary_of(letters, 3, replayed) == "3 dead letters, 1 of them replayed: 3 x not_json"
    told = summary_of(letters, 2, never)
    assert told == "3 dead letters, 0 of them replayed (the newest 2 are shown): 3 x not_json"
    assert summary_of(letters[:1], 1, replayed) == "1 dead letter, replayed: 1 x not_json"
    assert summary_of(letters[1:2], 1, replayed) == "1 dead letter, not replayed: 1 x not_json"


def test_that_nothing_matches_is_told_with_how_many_there_are():
    register = a_register(a_letter(), a_letter(tenant_id="other"), reason="llm_error", tenant="red-hill")
    assert register.matching() == []
    assert nothing_found(register.in_all, filtered=True) == "No dead letters match (2 in all)."
    assert nothing_found(0, filtered=False) == "No dead letters."


ALWAYS = {"dead_letter_id", "tenant", "reason", "replayed"}


@pytest.mark.parametrize(
    ("width", "missing"),
    [
        (None, set()),
        (200, set()),
        (150, {"source"}),
        (135, {"source", "record/request"}),
        (111, {"source", "record/request"}),
        (99, {"source", "record/request", "operation"}),
        (80, {"source", "record/request", "operation", "times", "failed_at"}),
    ],
)
def test_a_narrow_terminal_gets_fewer_and_shorter_columns_and_no_row_is_broken(width, missing):
    names = [*ALWAYS, "source", "record/request", "operation", "times", "failed_at"]
    fields = {"tenant_id": "red-river-relief", "operation": "assign_codes", "reason": "provider_misconfigured"}
    letter = a_letter(record_id="record-1", **fields)
    lines = printed(a_register(letter).matching(), width)
    assert width is None or max(map(len, lines)) <= width
    [head] = [line for line in lines if "dead_letter_id" in line]
    assert {name for name in names if name not in head.split()} == missing
    [row] = [line for line in lines if str(letter.dead_letter_id) in line]
    whole = width is None or width >= 135
    assert ("2026-05-04T12:00:00Z" in row, "red-river-relief" in row) == (whole, whole)
    assert ("05-04 12:00" in row) is (width in (111, 99))


@pytest.mark.parametrize(("tenant", "shown"), [("red-hill", "red-hill"), ("red-river-relief", "red-river-r…")])
def test_at_80_columns_a_row_is_whole_whatever_is_in_it(tenant, shown):
    for reason in (*REASONS, "one_of_a_later_version_with_a_long_name"):
        letter = a_letter(tenant_id=tenant, reason=reason, operation="summarize_aggregate")
        lines = printed(a_register(letter).matching(), 80)
        assert max(map(cell_len, lines)) <= 80
        [row] = [line.split() for line in lines if str(letter.dead_letter_id) in line]
        assert shown in row
        assert reason in row or reason not in REASONS


def test_a_character_of_two_columns_counts_as_two():
    lines = printed(a_register(a_letter(tenant_id="水" * 40, reason="provider_misconfigured")).matching(), 80)
    assert max(map(cell_len, lines)) <= 80
    assert "水水水水水…" in "".join(lines)


def test_at_most_a_hundred_ids_are_named():
    letters = a_register(*(a_letter(offset=offset) for offset in range(1_103))).matching()
    ids = [str(known.dead_letter_id) for known in letters]
    assert list(ids_of(letters)) == [*ids[:100], "and 1,003 more"]
    assert list(ids_of(letters[:100])) == ids[:100]
