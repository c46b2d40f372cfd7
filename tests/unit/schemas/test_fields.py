"""What single fields take and refuse: ids, times, money."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import schemas.examples
from schemas.dead_letters import DeadLetter
from schemas.frameworks import CodingFramework
from schemas.llm_calls import LLMCall
from schemas.progress import AnalysisProgressed
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import Part
from schemas.results import AnalysisCompleted, CodesAssigned, SensitivityDetected
from schemas.sources import Source
from schemas.trends import CodeTrend

EXAMPLES = Path(schemas.examples.__path__[0])


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return found


CALL, RECORD, LETTER = example("LLMCall"), example("FeedbackRecordSubmitted"), example("DeadLetter")
CODING, SCREENING = example("CodesAssigned"), example("SensitivityDetected")
ANALYSIS, PROGRESS = example("AnalysisCompleted"), example("AnalysisProgressed")


@pytest.mark.parametrize("name", ["tenant_id", "record_id", "framework_id"])
def test_no_id_of_a_record_holds_nul(name: str):
    with pytest.raises(ValidationError, match="NUL"):
        FeedbackRecordSubmitted.model_validate({**RECORD, name: "a\x00b"})
    odd = "\U0001f6b0 \u202e '; DROP TABLE x\n"
    assert getattr(FeedbackRecordSubmitted.model_validate({**RECORD, name: odd}), name) == odd


@pytest.mark.parametrize("name", ["tenant_id", "operation", "record_id", "request_id"])
def test_no_id_of_a_call_holds_nul(name: str):
    with pytest.raises(ValidationError, match="NUL"):
        LLMCall.model_validate_json(json.dumps({**CALL, name: "a\x00b"}))


def test_no_code_holds_nul():
    tree = {"tenant_id": "t", "framework_id": "f", "version": "1", "root_codes": [{"id": "a\x00", "name": "n"}]}
    with pytest.raises(ValidationError, match="NUL"):
        CodingFramework.model_validate(tree)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-11-20T09:30:00Z", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
        ("2026-11-20t09:30:00.250z", datetime(2026, 11, 20, 9, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-11-20 11:30:00+02:00", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_rfc_3339(written: str, utc: datetime):
    value = {**RECORD, "created_at": written}
    assert FeedbackRecordSubmitted.model_validate(value).created_at == utc
    assert FeedbackRecordSubmitted.model_validate_json(json.dumps(value)).created_at == utc
    assert FeedbackRecordSubmitted.model_validate({**RECORD, "created_at": utc}).created_at == utc


@pytest.mark.parametrize(
    "value",
    [
        *(1_700_000_000, 1_700_000_000_000, 1.5, "1700000000", True, "2026-11-20", "2026-11-20T09:30:00", "soon"),
        *("2026-11-20T09:30Z", "2026-11-20T09:30:00,5Z", "2026-11-20T09:30:00\u221203:00", "2026-11-20T09:30:00+03"),
        *("2026-11-20T09:30:00.Z", "2026-11-20T09:30:00Z\n", "2026-11-20T09:30:60Z", "２０26-11-20T09:30:00Z"),
    ],
)
def test_what_is_no_time_with_an_offset_is_refused(value: Any):
    whole = {**RECORD, "created_at": value}
    with pytest.raises(ValidationError):
        FeedbackRecordSubmitted.model_validate(whole)
    with pytest.raises(ValidationError):
        FeedbackRecordSubmitted.model_validate_json(json.dumps(whole))


@pytest.mark.parametrize("offset", ["+00:60", "-00:99", "+24:00", "+0060", "-99:99"])
def test_an_offset_that_there_cannot_be_is_refused_and_the_complaint_says_what_there_can(offset: str):
    with pytest.raises(ValidationError, match="an offset has hours 00 to 23 and minutes 00 to 59"):
        FeedbackRecordSubmitted.model_validate({**RECORD, "created_at": f"2026-11-20T09:30:00{offset}"})


def test_the_widest_offset_is_taken():
    for offset in ("+23:59", "-23:59", "-00:00", "+0530"):
        FeedbackRecordSubmitted.model_validate({**RECORD, "created_at": f"2026-11-20T09:30:00{offset}"})


@pytest.mark.parametrize(
    ("model", "payload", "name"),
    [
        (FeedbackRecordSubmitted, RECORD, "max_codes"),
        (FeedbackRecordSubmitted, RECORD, "schema_version"),
        (LLMCall, CALL, "schema_version"),
        (Part, {"number": 1, "of": 1}, "number"),
        (Part, {"number": 1, "of": 1}, "of"),
        (Source, {"topic": "t", "partition": 1, "offset": 1}, "partition"),
        (Source, {"topic": "t", "partition": 1, "offset": 1}, "offset"),
        (CodesAssigned, CODING, "codes_left_out"),
        (SensitivityDetected, SCREENING, "findings_dropped"),
        (AnalysisCompleted, ANALYSIS, "records_given"),
        (AnalysisCompleted, ANALYSIS, "records_used"),
        (DeadLetter, LETTER, "attempts"),
        (AnalysisProgressed, PROGRESS, "done"),
        (CodeTrend, {"code_id": "1", "records": 1, "counts": []}, "undated"),
    ],
)
def test_a_whole_number_is_a_number(model: type[BaseModel], payload: dict[str, Any], name: str):
    for value in ("1", True, False, 1.5):
        with pytest.raises(ValidationError):
            model.model_validate({**payload, name: value})
        with pytest.raises(ValidationError):
            model.model_validate_json(json.dumps({**payload, name: value}))
    for value in (1, 1.0):
        assert getattr(model.model_validate_json(json.dumps({**payload, name: value})), name) == 1
    assert model.model_json_schema()["properties"][name]["type"] == "integer"


def cost(value: Any) -> Decimal | None:
    return LLMCall.model_validate_json(json.dumps({**CALL, "cost_usd": value})).cost_usd


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (0.00034500000000000004, "0.000345"),
        (0.1 + 0.2, "0.3"),
        ("0.0000000000005", "0"),
        ("0.0000000000015", "0.000000000002"),
        ("0.000267900000", "0.0002679"),
        ("1e-400", "0"),
        (0, "0"),
        (None, None),
    ],
)
def test_money_is_rounded_to_twelve_places_half_to_even(given: Any, kept: str | None):
    assert cost(given) == (None if kept is None else Decimal(kept))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1e-30", -0.5, 1_000_000, "999999.9999999999999", "free", True])
def test_what_is_no_amount_is_refused(value: Any):
    with pytest.raises(ValidationError):
        cost(value)


@given(st.floats(min_value=0, max_value=999_999))
def test_any_amount_of_a_program_that_reckons_in_floats_fits_the_column(amount: float):
    found = cost(amount)
    assert found is not None
    assert isinstance(exponent := found.as_tuple().exponent, int)
    assert exponent >= -12
    assert abs(found - Decimal(repr(amount))) <= Decimal("5e-13")
