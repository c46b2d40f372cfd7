"""Each operation as one question to a model: what to ask, how to read the answer, what it becomes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from domain.corrections import Lessons
from domain.llm.calls import Prompt
from domain.llm.parsing import LenientAtLast
from domain.operations import assign_codes, detect_sensitive, summarize
from domain.operations.answers import Made
from domain.operations.corrected_examples import Example
from domain.operations.outline import Outline
from domain.operations.work import Found, Outcome, Steps
from schemas.records import FeedbackRecordSubmitted

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """One operation on one input that takes one question: the simplest Work.

    Attributes:
        prompt: what the model is asked.
        parse: understands its answer, or raises InvalidOutputError; may be LenientAtLast.
        result: makes the event of it.
    """

    prompt: Prompt
    parse: Callable[[str], T]
    result: Callable[[T, Made], Outcome]

    async def run(self, steps: Steps) -> Found:
        """Ask, and make the result of the answer."""
        answer = await steps.ask(self.prompt, self.parse)
        return Found(partial(self.result, answer.value), answer.model, self.prompt.version)


def coding(
    record: FeedbackRecordSubmitted, outline: Outline, lessons: Lessons | None = None, examples: Sequence[Example] = ()
) -> Question[assign_codes.Coding]:
    """Which codes fit the record? For lessons and examples see `assign_codes.prompt`."""
    return Question(
        assign_codes.prompt(record, outline, lessons, examples),
        partial(assign_codes.parse, outline=outline),
        partial(assign_codes.result, record, outline),
    )


def summary(record: FeedbackRecordSubmitted) -> Question[summarize.Summary]:
    """What does the record say, in short?"""
    return Question(summarize.prompt(record), summarize.parse, partial(summarize.result, record))


def sensitivity(record: FeedbackRecordSubmitted) -> Question[detect_sensitive.Screening]:
    """Does the record hold anything sensitive?"""
    parse = LenientAtLast(detect_sensitive.parse, detect_sensitive.parse_at_last)
    return Question(detect_sensitive.prompt(record), parse, partial(detect_sensitive.result, record))
