"""What the tests of codings and corrections share: builders of both."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from domain.errors import UsageUnavailableError
from domain.operations.many.trend import KnownCode
from domain.ports import IdentifiedCorrection
from schemas.corrections import CodesCorrected
from schemas.results import AssignedCode, CodesAssigned, PathStep

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TENANT, FRAMEWORK = "red-cross", "community-feedback"


def a_coding(record_id: str, *code_ids: str, minutes: float = 0, **fields: Any) -> CodesAssigned:
    """A coding of a record, complete so many minutes after noon."""
    codes = tuple(
        AssignedCode(
            code_id=code_id,
            path=(PathStep(id=code_id, name=code_id, confidence=0.9),),
            confidence=0.9,
            reason="It says so.",
        )
        for code_id in code_ids
    )
    ordinary: dict[str, Any] = {
        "result_id": uuid4(),
        "tenant_id": TENANT,
        "record_id": record_id,
        "framework_id": FRAMEWORK,
        "framework_version": "1",
        "codes": codes,
        "abstained_because": None if codes else "No code fits.",
        "model": "offline/semantic",
        "prompt_version": "assign_codes.v1",
        "invocation_id": uuid4(),
        "completed_at": NOON + timedelta(minutes=minutes),
    }
    return CodesAssigned(**ordinary | fields)


def corrected(record_id: str, *code_ids: str, minutes: float = 60, **fields: Any) -> CodesCorrected:
    """A correction of a record, an hour after noon unless said."""
    ordinary: dict[str, Any] = {
        "tenant_id": TENANT,
        "record_id": record_id,
        "framework_id": FRAMEWORK,
        "code_ids": code_ids,
        "corrected_at": NOON + timedelta(minutes=minutes),
    }
    return CodesCorrected(**ordinary | fields)


def a_correction(record_id: str, *code_ids: str, event_id: UUID | None = None, **fields: Any) -> IdentifiedCorrection:
    """The same with the id of its event."""
    return IdentifiedCorrection(event_id or uuid4(), corrected(record_id, *code_ids, **fields))


class MemoryPastCodings:
    """PastCodings in memory, which is away when told."""

    def __init__(self, *codings: CodesAssigned) -> None:
        self.codings = list(codings)
        self.away = False

    async def codes_of(self, tenant_id: str, record_ids: Collection[str]) -> Mapping[str, Sequence[KnownCode]]:
        if self.away:
            raise UsageUnavailableError("The database did not answer.")
        found: dict[str, Sequence[KnownCode]] = {}
        for coding in sorted(self.codings, key=lambda one: (one.completed_at, one.result_id)):
            if coding.codes and coding.tenant_id == tenant_id and coding.record_id in record_ids:
                found[coding.record_id] = [KnownCode(code.code_id) for code in coding.codes]
        return found
