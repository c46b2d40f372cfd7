"""Answering an analyst's question over many feedback records, in one call."""

from dataclasses import dataclass, field

from domain.errors import InvalidOutputError, OperationUnavailableError
from domain.llm.calls import Prompt
from domain.operations.answers import Made, confidence, json_object, shown_text
from domain.prompts.envelope import block, escape, feedback_record, options
from domain.prompts.instructions import instructions_for
from schemas.operations import Operation
from schemas.requests import AnalysisRequested
from schemas.results import AnalysisCompleted

MAX_OUTPUT_TOKENS = 8192
MAX_TEXT_CHARACTERS = 50_000
DISCLAIMER = "Written by the model {model} from the given records alone; check it against them before relying on it."


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a model answered, and how sure it is, 0 to 1."""

    answer: str = field(repr=False)
    confidence: float


def prompt(request: AnalysisRequested) -> Prompt:
    """Ask an analyst's question over all records of the request.

    Raises:
        OperationUnavailableError: the request asks for several passes.
    """
    if request.mode == "hierarchical":
        raise OperationUnavailableError("This release answers an analysis in a single pass only, not hierarchically.")
    instructions = instructions_for(Operation.ANALYZE)
    question = block("instruction", escape(request.instruction))
    chosen = options({"output_language": request.output_language})
    return Prompt(
        operation=Operation.ANALYZE.value,
        version=instructions.version,
        system=f"{instructions.text}\n{question}{chosen}",
        user="\n".join(feedback_record(record.content, number) for number, record in enumerate(request.records, 1)),
        max_output_tokens=MAX_OUTPUT_TOKENS,
    )


def parse(text: str) -> Analysis:
    """Understand a model's answer.

    Raises:
        InvalidOutputError: no JSON object, no answer, or a confidence that is not a number from 0 to 1.
    """
    found = json_object(text)
    answer = shown_text(found.get("answer"))
    if not answer:
        raise InvalidOutputError('"answer" is missing or blank.')
    if len(answer) > MAX_TEXT_CHARACTERS:
        raise InvalidOutputError(f'"answer" is longer than {MAX_TEXT_CHARACTERS} characters.')
    sure = confidence(found.get("confidence"))
    if sure is None:
        raise InvalidOutputError('"confidence" is not a number from 0 to 1.')
    return Analysis(answer, sure)


def result(request: AnalysisRequested, analysis: Analysis, made: Made) -> AnalysisCompleted:
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
    )
