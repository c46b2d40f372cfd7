"""Judging a result beside the records that it was made from: a second opinion, by a model of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import InvalidOutputError
from domain.llm.calls import Prompt
from domain.operations.answers import Made, confidence, json_object
from domain.prompts.envelope import block, bounded, escape, feedback_record
from domain.prompts.instructions import instructions_for
from schemas.operations import Operation
from schemas.results import Result, ResultJudged

MAX_OUTPUT_TOKENS = 256
WEIGHTS = {"faithfulness": 0.6, "coverage": 0.3, "clarity": 0.1}
"""What each of the three counts in the score. The score is computed here: a model that adds up may add up wrongly."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge said, each from 0 to 1."""

    faithfulness: float
    coverage: float
    clarity: float

    @property
    def score(self) -> float:
        """The three as one number: their weighted mean."""
        return round(sum(weight * float(getattr(self, name)) for name, weight in WEIGHTS.items()), 6)


def prompt(kind: str, said: str, contents: Sequence[str]) -> Prompt:
    """Ask about one result.

    Args:
        kind: which kind of result it is, in one word of ours.
        said: what it says, as text.
        contents: the records that it was made from.
    """
    instructions = instructions_for(Operation.JUDGE)
    numbered = len(contents) > 1
    records = [feedback_record(content, n if numbered else None) for n, content in enumerate(contents, 1)]
    result = block("result", escape(bounded(said)), f' kind="{kind}"')
    return Prompt(
        operation=Operation.JUDGE.value,
        version=instructions.version,
        system=instructions.text,
        user="\n".join([*records, result]),
        max_output_tokens=MAX_OUTPUT_TOKENS,
    )


def parse(text: str) -> Judgement:
    """Understand a judge's answer.

    Raises:
        InvalidOutputError: no JSON object, or a number that is missing or none from 0 to 1.
    """
    answer = json_object(text)
    found = {name: confidence(answer.get(name)) for name in WEIGHTS}
    given = {name: number for name, number in found.items() if number is not None}
    if missing := [name for name in WEIGHTS if name not in given]:
        raise InvalidOutputError(f'"{missing[0]}" is not a number from 0 to 1.')
    return Judgement(**given)


def result(judged: Result, judgement: Judgement, made: Made) -> ResultJudged:
    """The event."""
    return ResultJudged(
        judgement_id=made.result_id,
        result_id=judged.result_id,
        tenant_id=judged.tenant_id,
        faithfulness=judgement.faithfulness,
        coverage=judgement.coverage,
        clarity=judgement.clarity,
        score=judgement.score,
        model=made.model,
        prompt_version=made.prompt_version,
        invocation_id=made.invocation_id,
        completed_at=made.completed_at,
    )
