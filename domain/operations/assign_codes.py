"""Coding a feedback record: which codes of the organisation's framework fit it, and how sure the model is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from domain.corrections import Lessons
from domain.errors import InvalidOutputError
from domain.llm.calls import Prompt
from domain.operations import corrected_examples
from domain.operations.answers import Made, confidence, json_object, plain_text
from domain.operations.corrected_examples import Example
from domain.operations.outline import CodePath, Outline
from domain.prompts.envelope import feedback_record, options
from domain.sizes import bytes_in_json
from schemas.operations import Operation
from schemas.records import FeedbackRecordSubmitted
from schemas.results import AssignedCode, CodesAssigned, PathStep

MAX_OUTPUT_TOKENS = 4096
MAX_ENTRIES = 250
MAX_REASON_CHARACTERS = 500
MAX_CODES_BYTES = 800_000
"""What the codes of one result may take of a message: a path repeats the ids and names of all its levels."""
_HARMLESS_ID = re.compile(r"[0-9.]{1,20}")


@dataclass(frozen=True, slots=True)
class Coded:
    """One code that a model chose.

    Attributes:
        path: the code and all above it, from the root down.
        confidences: how sure the model is of each level of the path, 0 to 1.
        reason: why, in the model's words.
    """

    path: CodePath
    confidences: tuple[float, ...]
    reason: str = field(repr=False)

    @property
    def confidence(self) -> float:
        """The code's aggregate confidence: the least of its levels."""
        return min(self.confidences)


@dataclass(frozen=True, slots=True)
class Coding:
    """What a model answered: codes, or why there is none."""

    codes: tuple[Coded, ...]
    abstained_because: str | None = field(default=None, repr=False)


def prompt(
    record: FeedbackRecordSubmitted, outline: Outline, lessons: Lessons | None = None, examples: Sequence[Example] = ()
) -> Prompt:
    """Ask for the codes of one record, in one call.

    Args:
        lessons: what a model that learns may learn from, of the record's own tenant and framework; where all of the
            framework is shown.
        examples: corrected records to be shown, the most alike first; they change the prompt's version.
    """
    chosen = options({"max_codes": record.max_codes, "output_language": record.output_language})
    version, system, user = outline.instructions.version, outline.system, feedback_record(record.content)
    shown = corrected_examples.rendered(examples, outline.ids)
    if shown:
        explanation = corrected_examples.explanation()
        version, system = f"{version}+{explanation.version}", f"{system}\n{explanation.text}"
        user = f"{shown}\n{user}"
    return Prompt(
        operation=Operation.ASSIGN_CODES.value,
        version=version,
        system=system + chosen,
        user=user,
        max_output_tokens=MAX_OUTPUT_TOKENS,
        # A part of a framework is another one for each record: nothing that is learned would hold for the next.
        teaching=None if outline.narrowed else corrected_examples.teaching(lessons, outline.ids),
    )


def parse(text: str, outline: Outline) -> Coding:
    """Understand a model's answer. Codes may be named by position or by their own id; duplicates keep the best.

    Raises:
        InvalidOutputError: no JSON object, an unknown id, confidences that do not fit the path, an abstention without
            a reason, or far more codes than can be meant.
    """
    return coding_in(json_object(text), outline)


def coding_in(answer: dict[str, Any], outline: Outline) -> Coding:
    """The coding in an answer, or in the part of an answer that speaks of one record. Raises as `parse`."""
    entries = answer.get("codes")
    if not isinstance(entries, list):
        raise InvalidOutputError('"codes" is not a list.')
    if len(entries) > MAX_ENTRIES:
        raise InvalidOutputError(f'"codes" has more than {MAX_ENTRIES} entries.')
    if not entries:
        because = plain_text(answer.get("abstained_because"), MAX_REASON_CHARACTERS)
        if not because:
            raise InvalidOutputError('"codes" is empty, but "abstained_because" does not say why.')
        return Coding((), because)
    best: dict[str, Coded] = {}
    for entry in entries:
        coded = _coded(entry, outline)
        known = best.get(coded.path[-1].id)
        if known is None or coded.confidence > known.confidence:
            best[coded.path[-1].id] = coded
    return Coding(tuple(sorted(best.values(), key=lambda coded: -coded.confidence)))


def _coded(entry: Any, outline: Outline) -> Coded:
    if not isinstance(entry, dict):
        raise InvalidOutputError('Each of "codes" must be an object with "id", "confidence" and "reason".')
    given = entry.get("id")
    if not isinstance(given, str):
        raise InvalidOutputError('The "id" of a code must be a string, exactly as the framework writes it.')
    path = outline.find(given) or outline.find(given.strip().rstrip("."))
    if path is None:
        named = f"The id {given}" if _HARMLESS_ID.fullmatch(given) else "An id"
        raise InvalidOutputError(f"{named} does not exist in the framework.")
    levels = entry.get("confidence")
    numbers = [confidence(level) for level in levels] if isinstance(levels, list) and len(levels) == len(path) else []
    if not numbers or None in numbers:
        position = outline.ids[path[-1].id]
        raise InvalidOutputError(
            f'The "confidence" of code {position} must be a list of {len(path)} numbers from 0 to 1, one a level.'
        )
    given_reason = entry.get("reason")
    reason = plain_text(given_reason, MAX_REASON_CHARACTERS)
    if isinstance(given_reason, str) and not reason:
        raise InvalidOutputError('The "reason" of a code is blank.')
    return Coded(path, tuple(number for number in numbers if number is not None), reason)


def result(record: FeedbackRecordSubmitted, outline: Outline, coding: Coding, made: Made) -> CodesAssigned:
    """The event: codes from the record's threshold up, best first, at most as many as it asked for."""
    kept = [coded for coded in coding.codes if coded.confidence >= record.confidence_threshold][: record.max_codes]
    codes = _that_fit([_assigned(coded, made) for coded in kept])
    because = coding.abstained_because
    if coding.codes and not kept:
        because = f"No code reached the confidence threshold of {record.confidence_threshold:g}."
    return CodesAssigned(
        **made.fields(),
        tenant_id=record.tenant_id,
        record_id=record.record_id,
        framework_id=outline.framework.framework_id,
        framework_version=outline.framework.version,
        codes=codes,
        codes_left_out=len(kept) - len(codes),
        abstained_because=because and made.restore(because),
        narrowed=outline.narrowed,
    )


def _that_fit(codes: Sequence[AssignedCode]) -> tuple[AssignedCode, ...]:
    """The best ones, and the first in any case: a framework is a message, too, and no path is longer than that."""
    sizes = accumulate(bytes_in_json(code) for code in codes)
    return tuple(
        code for code, so_far in zip(codes, sizes, strict=True) if so_far <= MAX_CODES_BYTES or code is codes[0]
    )


def _assigned(coded: Coded, made: Made) -> AssignedCode:
    return AssignedCode(
        code_id=coded.path[-1].id,
        path=tuple(
            PathStep(id=code.id, name=code.name, confidence=level)
            for code, level in zip(coded.path, coded.confidences, strict=True)
        ),
        confidence=coded.confidence,
        reason=made.restore(coded.reason),
    )
