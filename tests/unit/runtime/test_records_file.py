"""A person's own file: what is taken from it, and the sentence for what cannot be."""

import json
from pathlib import Path

import pytest

from domain.errors import UserError
from runtime.job.records_file import read_records, tenants_in
from schemas.base import MAX_IDENTIFIER_CHARACTERS
from schemas.operations import RecordOperation
from schemas.records import MAX_LANGUAGE_CHARACTERS, FeedbackRecordSubmitted


def write(path: Path, *lines: object) -> Path:
    file = path / "records.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return file


def test_a_record_takes_the_known_keys_and_leaves_the_rest(tmp_path: Path):
    line = {"id": "r1", "content": "No water.", "created": "2020-10-17", "metadata": {"a": 1}, "eval": {"label": "x"}}
    (record,) = read_records(write(tmp_path, line), "acme", {"acme": "f"}, None)
    event = FeedbackRecordSubmitted.model_validate(record.payload)
    assert (event.tenant_id, event.record_id, event.framework_id) == ("acme", "r1", "f")
    assert event.created_at is not None
    assert event.created_at.isoformat() == "2020-10-17T00:00:00+00:00"
    assert event.requested_operations == (RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE)
    assert "eval" not in record.payload


def test_without_a_framework_a_record_is_summarised(tmp_path: Path):
    (record,) = read_records(write(tmp_path, {"id": 7, "content": "c"}), "acme", {"other": "f"}, None)
    assert record.operations == (RecordOperation.SUMMARIZE,)
    assert record.record_id == "7"


def test_a_blank_content_is_published_like_any_other(tmp_path: Path):
    (record,) = read_records(write(tmp_path, {"id": "r", "content": "  "}), "acme", {}, None)
    assert record.payload["content"] == "  "


def test_what_a_record_leaves_null_or_empty_it_does_not_name(tmp_path: Path):
    line = {"id": "r", "content": "c", "tenant_id": None, "framework_id": "", "language": "", "metadata": None}
    (record,) = read_records(write(tmp_path, line), "acme", {"acme": "f"}, None)
    assert (record.tenant_id, record.payload["framework_id"]) == ("acme", "f")
    assert not {"language", "metadata"} & set(record.payload)


@pytest.mark.parametrize(
    ("created", "moment"),
    [
        ("2020-10-17", "2020-10-17T00:00:00+00:00"),
        ("2020-10-17T09:30", "2020-10-17T09:30:00+00:00"),
        ("2020-10-17 09:30:00+02:00", "2020-10-17T09:30:00+02:00"),
        ("2020-10-17T09:30:00Z", "2020-10-17T09:30:00+00:00"),
        ("2020W42T10", "2020-10-12T10:00:00+00:00"),
        (None, None),
        ("", None),
    ],
)
def test_a_date_or_a_time_is_taken_as_it_is_written(tmp_path: Path, created: object, moment: str | None):
    (record,) = read_records(write(tmp_path, {"id": "r", "content": "c", "created": created}), "acme", {}, None)
    assert (record.payload.get("created_at"), record.undated) == (moment, False)
    FeedbackRecordSubmitted.model_validate(record.payload)


@pytest.mark.parametrize(
    "created",
    [5, 0, False, "last Monday", "17.10.2020", "17.3.2026", " ", ["2020-10-17"], {}, "2020-10-17T10:00+00:60"],
)
def test_a_date_that_cannot_be_read_is_left_out_and_known(tmp_path: Path, created: object):
    (record,) = read_records(write(tmp_path, {"id": "r", "content": "c", "created": created}), "acme", {}, None)
    assert record.undated
    assert "created_at" not in record.payload


def test_two_records_may_share_an_id(tmp_path: Path):
    line = {"id": "r", "content": "c"}
    assert [record.line for record in read_records(write(tmp_path, line, "", line), "acme", {}, None)] == [1, 3]


def test_tenants_come_in_order_of_appearance(tmp_path: Path):
    lines = [{"id": "1", "tenant_id": "b"}, {"id": "2"}, {"id": "3", "tenant_id": "b"}]
    assert tenants_in(write(tmp_path, *lines), "a") == ["b", "a"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json", "Line 1 of .* is not JSON"),
        ("[1]", "Line 1 of .* is not a JSON object"),
        ({"content": "c"}, "Line 1 of .*records.jsonl has no usable `id`: it is missing"),
        ({"id": "", "content": "c"}, "Line 1 of .*records.jsonl has no usable `id`: it is empty"),
        ({"id": None, "content": "c"}, "Line 1 of .*records.jsonl has no usable `id`: it is null"),
        ({"id": True, "content": "c"}, "Line 1 of .*records.jsonl has no usable `id`: it is true or false"),
        ({"id": "a\x00", "content": "c"}, "Line 1 of .*records.jsonl has no usable `id`: it holds a NUL character"),
        (
            {"id": "x" * (MAX_IDENTIFIER_CHARACTERS + 1), "content": "c"},
            "Line 1 of .*records.jsonl has no usable `id`: it has more than 255 characters",
        ),
        ({"id": "r"}, "Line 1 of .*records.jsonl has no text under `content`: it is missing"),
        ({"id": "r", "content": 5}, "Line 1 of .*records.jsonl has no text under `content`: it is a number"),
        (
            {"id": "r", "content": "c", "tenant_id": ["x"]},
            "Line 1 of .*records.jsonl has no usable `tenant_id`: it is a list",
        ),
        ({"id": "r", "content": "c", "framework_id": {}, "metadata": 1}, "no usable `metadata`: it is a number"),
        ({"id": "r", "content": "c", "framework_id": ["f"]}, "no usable `framework_id`: it is a list"),
        (
            {"id": "r", "content": "c", "language": 5},
            "Line 1 of .*records.jsonl has no usable `language`: it is a number",
        ),
        (
            {"id": "r", "content": "c", "language": "x" * (MAX_LANGUAGE_CHARACTERS + 1)},
            "no usable `language`: it has more than 35 characters",
        ),
        ({"id": "r", "content": "x" * 1_000_001}, "Line 1 of .* is over 1,000,000 bytes"),
        ("", "holds no records"),
        ("id,content", "is not JSON Lines: line 1 looks like the head of a CSV table"),
        ('\n"id";"content"', "line 2 looks like the head of a CSV table"),
        ('{"id": "r"; "content": "c"}', "Line 1 of .* is not JSON"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, line: object, said: str):
    with pytest.raises(UserError, match=said) as caught:
        read_records(write(tmp_path, line), "acme", {}, None)
    assert caught.value.remedy


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        read_records(tmp_path / "none.jsonl", "acme", {}, None)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"Line 1 of .*binary is not UTF-8"):
        read_records(tmp_path / "binary", "acme", {}, None)
    (tmp_path / "latin").write_bytes(
        b'\xef\xbb\xbf{"id": "1", "content": "\xc3\xa9"}\n\n{"id": "2", "content": "\xe9"}'
    )
    with pytest.raises(UserError, match=r"Line 3 of .*latin is not UTF-8"):
        read_records(tmp_path / "latin", "acme", {}, None)
