"""docs/producers.md says what the schema says, and its example is an LLM call."""

import re
from pathlib import Path

from adapters.llm.usage_facts import KEYS
from consumers.decoding import decode
from schemas.llm_calls import LLMCall

PAGE = (Path(__file__).parents[2] / "docs" / "producers.md").read_text(encoding="utf-8")


def _fields(rows: list[str]) -> dict[str, bool]:
    """Each field's name, and whether its row says that it is required."""
    return {name: "required" in row.split("|")[2] for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_every_field_is_told_and_whether_it_is_required() -> None:
    table = PAGE.split("## The event")[1].split("Rules:")[0]
    told = _fields([row for row in table.splitlines() if row.startswith("| `")])
    assert told == {name: field.is_required() for name, field in LLMCall.model_fields.items()}


def test_every_key_of_litellms_metadata_is_told() -> None:
    table = PAGE.split("**What a call is named by**")[1].split("A proxy's clients")[0]
    assert set(_fields([row for row in table.splitlines() if row.startswith("| `")])) == set(KEYS)


def test_the_example_is_an_llm_call_with_its_key_and_id() -> None:
    (line,) = (line for line in PAGE.splitlines() if "kcat -P" in line)
    key, _, value = line.split("'")[1].partition("|")
    call = decode(value.encode())
    assert str(call.invocation_id) == key
    assert f"-H ce_id={call.call_id} " in line
    assert f"ce_type={LLMCall.ce_type}" in line
