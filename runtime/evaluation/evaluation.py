"""What an evaluation found: plain figures, for tables, files and charts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.evaluation.answering import Answering
from runtime.evaluation.collected import READING, Collected
from runtime.evaluation.labels import Labelled
from runtime.evaluation.sample import Choice, Sample
from runtime.evaluation.scoring import Given, Judged, Scores, Share, score
from runtime.evaluation.spending import Spending
from schemas.frameworks import CodingFramework
from schemas.operations import RecordOperation


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of the records that are done.

    Attributes:
        model: as it was asked for.
        answered_by: the models that answered, by their providers' names.
        frameworks: those that were coded with.
        operations: what was asked of each record.
        prompt_versions: by operation.
        asked, done: records chosen, and of these over.
        seconds: from the first question to the last answer.
        in_flight: so many LLM calls at a time, at most.
        scores: of the records that have a right code; None where nothing was coded.
        no_code: of the records that fit no code, as a person says: on how many the model abstained.
        spending: by operation, of the records that are done.
        unanswered: what the calls took that were made for the others, most of them cut off when it was broken off.
        failures: by operation and reason; "reading" where a record as a whole could not be answered.
        failed: how many records lack a result.
        corrected: so many corrected records were learned from first.
    """

    model: str
    answered_by: tuple[str, ...]
    frameworks: tuple[CodingFramework, ...] = field(repr=False)
    operations: tuple[RecordOperation, ...]
    prompt_versions: Mapping[str, tuple[str, ...]]
    asked: int
    done: int
    seconds: float
    in_flight: int
    scores: Scores | None
    no_code: Share
    spending: Mapping[str, Spending]
    failures: Mapping[str, Counter[str]]
    failed: int
    corrected: int = 0
    unanswered: Spending = field(default_factory=Spending)

    @property
    def complete(self) -> bool:
        """Whether no record is left."""
        return self.done == self.asked

    def per_record(self, count: float) -> float:
        """So many in all as so many per record."""
        return count / self.done if self.done else 0.0


def evaluation_of(
    model: str, in_flight: int, choice: Choice, sample: Sample, answering: Answering, collected: Collected
) -> Evaluation:
    """Score what is done so far."""
    done = [one for one in sample.records if one.record.line in answering.done]
    judged = [Judged(given_to(one, collected), one.right) for one in done if one.right]
    none_fits = [one for one in done if one.right == ()]
    abstained = [_abstained(one, collected) for one in none_fits]
    failed = {line for line, _ in collected.failures if line in answering.done}
    spent, unanswered = collected.spending(answering.done)
    return Evaluation(
        model=model,
        answered_by=tuple(sorted(collected.models)),
        frameworks=tuple(sample.frameworks) if choice.codes else (),
        operations=choice.operations,
        prompt_versions={name: tuple(sorted(found)) for name, found in sorted(collected.prompt_versions.items())},
        asked=len(sample.records),
        done=len(done),
        seconds=answering.seconds,
        in_flight=in_flight,
        scores=score(judged) if judged else None,
        no_code=Share(sum(abstained), len(abstained)),
        spending={operation: spent.get(operation, Spending()) for operation in choice.operations},
        failures=collected.reasons(answering.done),
        failed=len(failed),
        corrected=sample.book.count,
        unanswered=unanswered,
    )


def given_to(one: Labelled, collected: Collected) -> Given:
    """What was answered for a record; an empty answer where there is none."""
    return collected.codings.get(one.record.line, Given())


def why_none(one: Labelled, operation: RecordOperation, collected: Collected) -> str | None:
    """Why a record has no result of this operation, where it has none."""
    line = one.record.line
    return collected.failures.get((line, operation.value)) or collected.failures.get((line, READING))


def _abstained(one: Labelled, collected: Collected) -> bool:
    """Whether it was answered, with no code: a failure is no abstention."""
    return one.record.line in collected.codings and not given_to(one, collected).paths
