"""What a person sees of dead letters: nothing confidential unasked, nothing that commands the terminal."""

import io
import json
from base64 import b64encode
from uuid import UUID

from rich.console import Console

from runtime.cli.dead_letter_views import as_json, lines_of, summary_of, table_of
from tests.unit.domain.dead_letters.test_register import a_letter, a_register

HOSTILE = "\x1b[2J[bold]\u202e\n"


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
    out = io.StringIO()
    Console(file=out, width=500).print(table_of(known))
    for text in (told, out.getvalue(), summary_of(known, 1), as_json(known[0])):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "[bold]" in out.getvalue()


def test_a_script_gets_all_but_the_content():
    (known,) = a_register(a_letter(dead_letter_id=UUID(int=1))).matching()
    assert json.loads(as_json(known)) == {
        "dead_letter_id": str(UUID(int=1)),
        "failed_at": "2026-05-04T12:00:00Z",
        "tenant_id": "red-hill",
        "record_id": "record-1",
        "reason": "not_json",
        "source": {"topic": "feedback.records", "partition": 0, "offset": 7},
        "has_original": True,
        "times": 1,
    }
