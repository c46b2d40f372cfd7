"""Answering an analyst's question over more records than one prompt takes: findings by chunk, merged as a tree."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from domain.llm.calls import Prompt
from domain.llm.tokens import beginning, estimated
from domain.operations import analyze
from domain.operations.analyze import Analysis
from domain.operations.answers import Made
from domain.operations.many.chunks import Chunk, chunks_of
from domain.operations.many.limits import MAX_FINDINGS_CHARACTERS, Limits
from domain.operations.many.mapping import Mapped, Question, read_chunks
from domain.operations.many.progress import Progress
from domain.operations.many.tree import FEWEST, Tree
from domain.operations.many.trend import KnownCodes
from domain.operations.work import Found, Steps
from domain.prompts.envelope import block, escape
from domain.prompts.instructions import instructions_for_stage
from schemas.operations import Operation
from schemas.requests import AnalysisRequested
from schemas.results import AnalysisCompleted
from schemas.trends import Trend

MAX_OUTPUT_TOKENS = 2048
MAX_WORDS = 400
DISCLAIMER = (
    "Written by the model {model} from its own findings in {chunks} chunks of the given records; check it against the "
    "records before relying on it. {used} of {given} records were read."
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in some of the records.

    Attributes:
        text: a model's words.
        confidence: how well the records support it, as the model says.
        records: how many records it rests on.
        model: the model that wrote it.
    """

    text: str = field(repr=False)
    confidence: float
    records: int
    model: str = ""


async def answer(
    request: AnalysisRequested, codes: KnownCodes, trend: Trend | None, limits: Limits, steps: Steps
) -> Found:
    """Read the records in chunks, and put together what was found.

    Raises:
        InvalidOutputError, LLMError, DeadlineExceededError, TooLargeError: no chunk could be read, or the findings not
            put together.
    """
    budget = limits.budget(steps.room_for(map_prompt(request, Chunk(1, ()))))
    chunks = chunks_of(request.records, budget, codes.ids())
    progress = Progress(steps, request, limits.progress_seconds)
    question = Question(partial(map_prompt, request), lambda text, _: analyze.parse(text, MAX_FINDINGS_CHARACTERS))
    mapped = await read_chunks(steps, chunks, question, limits, progress)
    room = steps.room_for(reduce_prompt(request, (), last=True))
    tree = Tree(
        size=lambda found: estimated(_envelope(found) + "\n"),
        budget=limits.budget(room),
        room=room,
        merge=partial(_merge, request, steps, room),
        at_once=limits.calls_at_once,
        level=progress.reducing,
        merged=progress.reduced,
    )
    findings = [Findings(one.found.answer, one.found.confidence, len(one.chunk.records)) for one in mapped.read]
    (last,) = await tree.reduce([_cut(found, room) for found in findings])
    made = partial(_result, request, codes, trend, len(chunks), mapped, last)
    return Found(made, last.model, instructions_for_stage("analyze.reduce").version)


def map_prompt(request: AnalysisRequested, chunk: Chunk) -> Prompt:
    """Ask what the records of one chunk say to the question."""
    instructions = instructions_for_stage("analyze.map")
    return Prompt(
        operation=Operation.ANALYZE.value,
        version=instructions.version,
        system=analyze.system_of(instructions, request),
        user=analyze.user_of(chunk.records),
        max_output_tokens=MAX_OUTPUT_TOKENS,
    )


def reduce_prompt(request: AnalysisRequested, group: Sequence[Findings], *, last: bool) -> Prompt:
    """Ask for the answer that findings come to; a short one, where it is put together with others again."""
    instructions = instructions_for_stage("analyze.reduce")
    return Prompt(
        operation=Operation.ANALYZE.value,
        version=instructions.version,
        system=analyze.system_of(instructions, request, max_words=None if last else MAX_WORDS),
        user="\n".join(_envelope(found, number) for number, found in enumerate(group, 1)),
        max_output_tokens=analyze.MAX_OUTPUT_TOKENS if last else MAX_OUTPUT_TOKENS,
    )


async def _merge(
    request: AnalysisRequested, steps: Steps, room: int, group: Sequence[Findings], last: bool
) -> list[Findings]:
    limit = analyze.MAX_TEXT_CHARACTERS if last else MAX_FINDINGS_CHARACTERS
    parse = partial(analyze.parse, limit=limit)
    merged = await steps.ask(reduce_prompt(request, group, last=last), parse)
    records = sum(found.records for found in group)
    found = Findings(merged.value.answer, merged.value.confidence, records, merged.model)
    return [found if last else _cut(found, room)]


def _cut(found: Findings, room: int) -> Findings:
    """The findings so long that two fit one prompt. They are longer where a model's context is small, if ever."""
    text = beginning(found.text, room // FEWEST, lambda text: _envelope(replace(found, text=text)) + "\n")
    return found if text == found.text else replace(found, text=text)


def _envelope(found: Findings, number: int = 999) -> str:
    """Findings are a model's words about texts that anybody may have written: escaped as these are."""
    about = f' number="{number}" records="{found.records}" confidence="{found.confidence:.2f}"'
    return block("findings", escape(found.text), about)


def _result(
    request: AnalysisRequested,
    codes: KnownCodes,
    trend: Trend | None,
    chunks: int,
    mapped: Mapped[Analysis],
    last: Findings,
    made: Made,
) -> AnalysisCompleted:
    given = len(request.records)
    disclaimer = DISCLAIMER.format(model=made.model, chunks=chunks, used=mapped.records, given=given)
    return AnalysisCompleted(
        **made.fields(),
        tenant_id=request.tenant_id,
        request_id=request.request_id,
        answer=made.restore(last.text),
        confidence=min(last.confidence, _mean_confidence(mapped)),
        disclaimer=disclaimer,
        records_given=given,
        records_used=mapped.records,
        mode="hierarchical",
        chunks=chunks,
        excluded=mapped.excluded,
        excluded_left_out=mapped.excluded_left_out,
        coverage=mapped.records / given,
        period=request.period,
        trend=trend,
        own_codings=codes.own_codings,
    )


def _mean_confidence(mapped: Mapped[Analysis]) -> float:
    """Of the chunks that were read, each weighing as many records as it has."""
    total = sum(one.found.confidence * len(one.chunk.records) for one in mapped.read)
    return min(1.0, total / mapped.records)
