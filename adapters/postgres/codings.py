"""Writes codings and corrections: one statement per batch, each once, and no word of the feedback."""

import json
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.row_sink import TEXTS, PostgresRowSink, Rows
from domain.ports import IdentifiedCorrection
from schemas.results import CodesAssigned

_OF_CODINGS = {
    "result_id": "uuid",
    "tenant_id": "text",
    "record_id": "text",
    "framework_id": "text",
    "framework_version": "text",
    "code_ids": TEXTS,
    "abstained": "bool",
    "model": "text",
    "prompt_version": "text",
    "completed_at": "timestamptz",
}
_OF_CORRECTIONS = {
    "event_id": "uuid",
    "tenant_id": "text",
    "record_id": "text",
    "framework_id": "text",
    "framework_version": "text",
    "code_ids": TEXTS,
    "corrected_at": "timestamptz",
    "result_id": "uuid",
}


def _coding(coding: CodesAssigned) -> tuple[Any, ...]:
    return (
        coding.result_id,
        coding.tenant_id,
        coding.record_id,
        coding.framework_id,
        coding.framework_version,
        json.dumps([code.code_id for code in coding.codes]),
        not coding.codes,
        coding.model,
        coding.prompt_version,
        coding.completed_at,
    )


def _correction(identified: IdentifiedCorrection) -> tuple[Any, ...]:
    correction = identified.correction
    return (
        identified.event_id,
        correction.tenant_id,
        correction.record_id,
        correction.framework_id,
        correction.framework_version,
        json.dumps(correction.code_ids),
        correction.corrected_at,
        correction.result_id,
    )


_CODINGS: Rows[CodesAssigned] = Rows("codings", _OF_CODINGS, "result_id", _coding, "codings")
_CORRECTIONS: Rows[IdentifiedCorrection] = Rows("corrections", _OF_CORRECTIONS, "event_id", _correction, "corrections")


class PostgresCodingSink(PostgresRowSink[CodesAssigned]):
    """Fulfils `domain.ports.CodingSink` on the table `codings`."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine, _CODINGS)


class PostgresCorrectionSink(PostgresRowSink[IdentifiedCorrection]):
    """Fulfils `domain.ports.CorrectionSink` on the table `corrections`."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine, _CORRECTIONS)
