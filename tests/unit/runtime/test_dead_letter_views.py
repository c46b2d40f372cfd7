"""What a person sees of dead letters: nothing confidential unasked, nothing that commands the terminal."""

import io
import json
from base64 import b64encode
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from rich.cells import cell_len
from rich.console import Console

from domain.dead_letters.replay import FOREIGN, WITHOUT_ORIGINAL, Plan, Replays
from domain.delivery.reasons import REASONS
from runtime.cli.dead_letter_views import (
    as_json,
    ids_of,
    lines_of,
    nothing_found,
    plan_lines,
    print_table,
    summary_of,
)
from tests.builders import NOON
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


LONG = {
    "tenant_id": "red-river-relief",
    "record_id": "7f0c9a52-5f0e-4b35-9d0a-0d2f3c1b7a90",
    "topic": "feedback.code-assignments",
    "offset": 1_234_567,
}


def test_where_there_is_room_each_has_one_line():
    letter = a_letter(**LONG, operation="summarize_aggregate", reason="provider_misconfigured")
    for width in (None, 240):
        lines = printed(a_register(letter).matching(), width)
        [row] = [line.split() for line in lines if str(letter.dead_letter_id) in line]
        assert row == [
            str(letter.dead_letter_id),
            "2026-05-04T12:00:00Z",
            LONG["tenant_id"],
            LONG["record_id"],
            "summarize_aggregate",
            "provider_misconfigured",
            "feedback.code-assignments:0:1234567",
            "no",
            "1",
        ]


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("reason", [*REASONS, "one_of_a_later_version_with_a_long_name"])
def test_on_a_narrow_terminal_it_has_several_and_nothing_is_lost(width, reason):
    letter = a_letter(**LONG, operation="summarize_aggregate", reason=reason)
    lines = printed(a_register(letter).matching(), width)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    ids = (str(letter.dead_letter_id), "feedback.code-assignments:0:1234567", "2026-05-04T12:00:00Z")
    for whole in (*ids, "summarize_aggregate", LONG["tenant_id"], "not replayed, 1"):
        assert whole in text
    assert reason in text or reason not in REASONS
    assert "…" not in text
    if width < 100:  # the record's id has two lines
        assert LONG["record_id"][:17] in text
        assert LONG["record_id"][-17:] in text
    else:
        assert LONG["record_id"] in text


def test_a_character_of_two_columns_counts_as_two():
    lines = printed(a_register(a_letter(tenant_id="水" * 60, reason="provider_misconfigured")).matching(), 80)
    assert max(map(cell_len, lines)) <= 80
    assert "".join(lines).count("水") == 60


def test_a_plan_says_how_many_would_be_sent_and_how_many_not_and_why():
    kinds: list[dict[str, Any]] = [{}, {"topic": "gone"}, {"value_base64": None}]
    letters = [a_letter(failed_at=NOON + timedelta(seconds=nth), **kind) for nth, kind in enumerate(kinds)]
    known = a_register(*letters).matching()
    plan = Plan.of(known, Replays(known), {"feedback.records"})
    plan.already = 1_200
    assert list(plan_lines(plan)) == [
        "1 would be replayed (1 to feedback.records).",
        str(letters[0].dead_letter_id),
        f"1,202 would be left out: 1,200 replayed already; 1 cannot be replayed {FOREIGN}; "
        f"1 cannot be replayed {WITHOUT_ORIGINAL}.",
    ]
    assert list(plan_lines(Plan())) == ["0 would be replayed."]


def test_at_most_a_hundred_ids_are_named():
    letters = a_register(*(a_letter(offset=offset) for offset in range(1_103))).matching()
    ids = [str(known.dead_letter_id) for known in letters]
    assert list(ids_of(letters)) == [*ids[:100], "and 1,003 more"]
    assert list(ids_of(letters[:100])) == ids[:100]
