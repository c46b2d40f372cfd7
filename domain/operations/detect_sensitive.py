"""Screening a feedback record for sensitive content: which kinds it tells of, and why. A doubt is a finding."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from domain.errors import InvalidOutputError
from domain.llm.calls import Prompt
from domain.operations.answers import Made, confidence, json_object, plain_text
from domain.prompts.envelope import block, feedback_record, options
from domain.prompts.instructions import instructions_for
from schemas.operations import Operation
from schemas.records import FeedbackRecordSubmitted
from schemas.results import SensitiveFinding, SensitivityDetected
from schemas.sensitivity import SensitiveType

MAX_OUTPUT_TOKENS = 2048
MAX_ENTRIES = 100
MAX_REASON_CHARACTERS = 500
_SHAPE = 'Each of "findings" must be an object with "type", "confidence" and "reason".'
_UNKNOWN_TYPE = 'A "type" is not among the types given; use their ids, exactly as written.'
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of sensitive content that a model named.

    Attributes:
        type: which.
        confidence: how sure the model is, 0 to 1.
        reason: why, in the model's words.
    """

    type: SensitiveType
    confidence: float
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Screening:
    """What a model answered.

    Attributes:
        findings: each type at most once, most certain first; none for a harmless record.
        dropped: entries that could not be used, left out.
    """

    findings: tuple[Finding, ...]
    dropped: int = 0


def prompt(record: FeedbackRecordSubmitted) -> Prompt:
    """Ask for the kinds of sensitive content of one record."""
    return Prompt(
        operation=Operation.DETECT_SENSITIVE.value,
        version=instructions_for(Operation.DETECT_SENSITIVE).version,
        system=_stable() + options({"output_language": record.output_language}),
        user=feedback_record(record.content),
        max_output_tokens=MAX_OUTPUT_TOKENS,
    )


@cache
def _stable() -> str:
    """What all of these system messages begin with: the instructions, then the types."""
    types = "\n".join(f"{each}: {each.description}" for each in SensitiveType)
    return f"{instructions_for(Operation.DETECT_SENSITIVE).text}\n{block('types', types)}"


def parse(text: str) -> Screening:
    """Understand a model's answer. No finding is dropped for a low confidence; of duplicates the surest stays.

    Raises:
        InvalidOutputError: no JSON object, an unknown type, a confidence that is not a number from 0 to 1, a finding
            without a reason, or far more findings than there are types.
    """
    entries = _entries(text)
    findings = [_finding(entry) for entry in entries]
    return _screening(findings, len(entries))


def parse_at_last(text: str) -> Screening:
    """The same where nobody asks again: what cannot be used is left out and counted, the others stay.

    Raises:
        InvalidOutputError: as `parse`, where nothing would stay: something was found, and an empty screening would say
            that the record is harmless. And where a type would go unsaid: what is wrong with the one finding of a type
            is no reason to keep silent about it.
    """
    entries = _entries(text)
    findings: list[Finding] = []
    unusable: list[tuple[Any, InvalidOutputError]] = []
    for entry in entries:
        try:
            findings.append(_finding(entry))
        except InvalidOutputError as error:
            unusable.append((entry, error))
    types = {found.type for found in findings}
    for entry, complaint in unusable:
        named = _type(entry.get("type") if isinstance(entry, dict) else entry)
        if not findings or (named is not None and named not in types):
            raise complaint
    return _screening(findings, len(entries))


def _entries(text: str) -> list[Any]:
    entries = json_object(text).get("findings")
    if not isinstance(entries, list):
        raise InvalidOutputError('"findings" is not a list.')
    if len(entries) > MAX_ENTRIES:
        raise InvalidOutputError(f'"findings" has more than {MAX_ENTRIES} entries.')
    return entries


def _screening(findings: list[Finding], entries: int) -> Screening:
    best: dict[SensitiveType, Finding] = {}
    for found in findings:
        known = best.get(found.type)
        if known is None or found.confidence > known.confidence:
            best[found.type] = found
    ordered = sorted(best.values(), key=lambda found: -found.confidence)
    return Screening(tuple(ordered), dropped=entries - len(findings))


def _finding(entry: Any) -> Finding:
    if not isinstance(entry, dict):
        raise InvalidOutputError(_SHAPE)
    kind = _type(entry.get("type"))
    if kind is None:
        raise InvalidOutputError(_UNKNOWN_TYPE)
    sure = confidence(entry.get("confidence"))
    if sure is None:
        raise InvalidOutputError(f'The "confidence" of {kind} is not a number from 0 to 1.')
    reason = plain_text(entry.get("reason"), MAX_REASON_CHARACTERS)
    if not reason:
        raise InvalidOutputError(f'The "reason" of {kind} is missing or blank.')
    return Finding(kind, sure, reason)


def _type(given: object) -> SensitiveType | None:
    if not isinstance(given, str):
        return None
    try:
        return SensitiveType(_BETWEEN_WORDS.sub("_", given[:100].strip().lower()))
    except ValueError:
        return None


def result(record: FeedbackRecordSubmitted, screening: Screening, made: Made) -> SensitivityDetected:
    """The event: the record is sensitive where anything was found, however unsure the model is."""
    return SensitivityDetected(
        **made.fields(),
        tenant_id=record.tenant_id,
        record_id=record.record_id,
        sensitive=bool(screening.findings),
        findings=tuple(
            SensitiveFinding(
                type=found.type,
                level=found.type.level,
                confidence=found.confidence,
                reason=made.restore(found.reason),
            )
            for found in screening.findings
        ),
        findings_dropped=screening.dropped,
    )
