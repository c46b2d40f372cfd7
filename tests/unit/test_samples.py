"""The samples: valid, of the promised variety, and not copied between framework and records."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from schemas.frameworks import CodingFramework
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import AnalysisRequested, SummaryRequested

SAMPLES = Path(__file__).parents[2] / "samples"
TENANTS = ("harbour-aid", "red-river-relief")


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines()]


def _framework(tenant: str) -> CodingFramework:
    return CodingFramework.model_validate_json((SAMPLES / "frameworks" / f"{tenant}.json").read_text(encoding="utf-8"))


RECORDS = _lines("records.jsonl")


def test_there_are_enough_records_in_every_language() -> None:
    languages = Counter(record["language"] for record in RECORDS)

    assert len(RECORDS) >= 130
    assert set(languages) == {"en", "fr", "es", "ar", "uk"}
    assert min(languages.values()) >= 15
    assert {record["tenant_id"] for record in RECORDS} == set(TENANTS)


def test_records_become_valid_events_and_ids_are_unique() -> None:
    for record in RECORDS:
        FeedbackRecordSubmitted(
            tenant_id=record["tenant_id"],
            record_id=record["id"],
            content=record["content"],
            language=record["language"],
            metadata=record["metadata"],
        )
    assert len({record["id"] for record in RECORDS}) == len(RECORDS)


def test_some_records_are_short_some_long_and_some_fit_no_code() -> None:
    lengths = sorted(len(record["content"]) for record in RECORDS)

    assert lengths[3] < 30
    assert lengths[-2] > 400
    assert sum(record["expected_code"] is None for record in RECORDS) >= 5


@pytest.mark.parametrize("tenant", TENANTS)
def test_frameworks_have_three_levels_and_enough_codes(tenant: str) -> None:
    framework = _framework(tenant)
    leaves = [path for path in framework.paths() if not path[-1].children]

    assert framework.tenant_id == tenant
    assert {len(path) for path in leaves} == {3}
    assert 25 <= len(leaves) <= 45
    assert any(path[-1].sensitive for path in leaves)


@pytest.mark.parametrize("tenant", TENANTS)
def test_every_expected_code_is_a_leaf_and_every_leaf_is_expected_somewhere(tenant: str) -> None:
    leaves = {path[-1].id for path in _framework(tenant).paths() if not path[-1].children}
    expected = {record["expected_code"] for record in RECORDS if record["tenant_id"] == tenant} - {None}

    assert expected == leaves


@pytest.mark.parametrize("tenant", TENANTS)
def test_no_example_of_a_framework_is_a_record(tenant: str) -> None:
    contents = {_plain(record["content"]) for record in RECORDS}
    examples = {_plain(example) for path in _framework(tenant).paths() for example in path[-1].examples}

    assert examples.isdisjoint(contents)
    assert not any(example in content for example in examples for content in contents)


def test_requests_are_valid_and_speak_of_sample_records() -> None:
    requests: list[AnalysisRequested | SummaryRequested] = [
        *(AnalysisRequested.model_validate(line) for line in _lines("requests.jsonl")),
        *(SummaryRequested.model_validate(line) for line in _lines("summary-requests.jsonl")),
    ]
    contents = {record["id"]: record["content"] for record in RECORDS}

    assert {request.tenant_id for request in requests} == set(TENANTS)
    for request in requests:
        assert all(contents[record.record_id] == record.content for record in request.records)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!?؟")
