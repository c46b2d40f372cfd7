"""Each operation as one question to a model: what to ask, how to read the answer, what it becomes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from domain.llm.calls import Prompt
from domain.operations import analyze, assign_codes, summarize
from domain.operations.answers import Made
from domain.operations.outline import Outline
from domain.operations.work import Found, Steps
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import AnalysisRequested
from schemas.results import Result

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """One operation on one input that takes one question: the simplest Work.

    Attributes:
        prompt: what the model is asked.
        parse: understands its answer, or raises InvalidOutputError.
        result: makes the event of it.
    """

    prompt: Prompt
    parse: Callable[[str], T]
    result: Callable[[T, Made], Result]

    async def run(self, steps: Steps) -> Found:
        """Ask, and make the result of the answer."""
        answer = await steps.ask(self.prompt, self.parse)
        return Found(partial(self.result, answer.value), answer.model, self.prompt.version)


def coding(record: FeedbackRecordSubmitted, outline: Outline) -> Question[assign_codes.Coding]:
    """Which codes fit the record?"""
    return Question(
        assign_codes.prompt(record, outline),
        partial(assign_codes.parse, outline=outline),
        partial(assign_codes.result, record, outline),
    )


def summary(record: FeedbackRecordSubmitted) -> Question[summarize.Summary]:
    """What does the record say, in short?"""
    return Question(summarize.prompt(record), summarize.parse, partial(summarize.result, record))


def analysis(request: AnalysisRequested) -> Question[analyze.Analysis]:
    """What do the records say to the analyst's question?

    Raises:
        OperationUnavailableError: the request asks for several passes.
    """
    return Question(analyze.prompt(request), analyze.parse, partial(analyze.result, request))
