"""Answering an analyst's question over many feedback records, in one call."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.errors import InvalidOutputError
from domain.llm.calls import Prompt
from domain.operations.answers import Made, confidence, json_object, shown_text
from domain.prompts.envelope import block, bounded, escape, feedback_record, options
from domain.prompts.instructions import Instructions, instructions_for
from schemas.operations import Operation
from schemas.requests import AnalysisRequested, RequestedRecord
from schemas.results import AnalysisCompleted
from schemas.trends import OwnCodings, Trend

MAX_OUTPUT_TOKENS = 8192
MAX_TEXT_CHARACTERS = 50_000
DISCLAIMER = "Written by the model {model} from the given records alone; check it against them before relying on it."


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a model answered, and how sure it is, 0 to 1."""

    answer: str = field(repr=False)
    confidence: float


def prompt(request: AnalysisRequested, records: Sequence[RequestedRecord] | None = None) -> Prompt:
    """Ask an analyst's question over some records of the request; None: over all."""
    instructions = instructions_for(Operation.ANALYZE)
    return Prompt(
        operation=Operation.ANALYZE.value,
        version=instructions.version,
        system=system_of(instructions, request),
        user=user_of(request.records if records is None else records),
        max_output_tokens=MAX_OUTPUT_TOKENS,
    )


def system_of(instructions: Instructions, request: AnalysisRequested, **given: object) -> str:
    """Instructions, the analyst's question and the options, those in `given` too: the same for all of a request."""
    question = block("instruction", escape(bounded(request.instruction)))
    return f"{instructions.text}\n{question}{options({'output_language': request.output_language, **given})}"


def user_of(records: Iterable[RequestedRecord]) -> str:
    """The records in their envelopes, numbered from 1."""
    return "\n".join(feedback_record(record.content, number) for number, record in enumerate(records, 1))


def parse(text: str, limit: int = MAX_TEXT_CHARACTERS) -> Analysis:
    """Understand a model's answer.

    Raises:
        InvalidOutputError: no JSON object, no answer, one of more than `limit` characters, or a confidence that is not
            a number from 0 to 1.
    """
    found = json_object(text)
    answer = shown_text(found.get("answer"))
    if not answer:
        raise InvalidOutputError('"answer" is missing or blank.')
    if len(answer) > limit:
        raise InvalidOutputError(f'"answer" is longer than {limit} characters.')
    sure = confidence(found.get("confidence"))
    if sure is None:
        raise InvalidOutputError('"confidence" is not a number from 0 to 1.')
    return Analysis(answer, sure)


def result(
    request: AnalysisRequested,
    analysis: Analysis,
    made: Made,
    trend: Trend | None = None,
    own_codings: OwnCodings | None = None,
) -> AnalysisCompleted:
    """The event."""
    return AnalysisCompleted(
        **made.fields(),
        tenant_id=request.tenant_id,
        request_id=request.request_id,
        answer=made.restore(analysis.answer),
        confidence=analysis.confidence,
        disclaimer=DISCLAIMER.format(model=made.model),
        records_given=len(request.records),
        records_used=len(request.records),
        mode="single_pass",
        chunks=1,
        coverage=1.0,
        period=request.period,
        trend=trend,
        own_codings=own_codings,
    )
