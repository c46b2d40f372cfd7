"""What `offline/semantic` learns from corrections: how often its first code is right, without and with them.

    python -m bench.corrections --records FILE --framework FILE [--stratum prose] [--seeds 5]

For each seed the records are shuffled. The second half is the test; corrections are the first 10, 25 and 50 % of all
records, so that the test is the same for each share. Every record goes through the product's own prompt and answer
parser, the corrections through its own book of lessons. The labels (`metadata.codes`) of test records are read for
scoring alone.
"""

import argparse
import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from adapters.offline.coder import ranking
from adapters.offline.engine import Engine
from adapters.offline.learning import School
from adapters.offline.prompt_reader import CodingTask, read
from adapters.offline.provider import OfflineModel
from bench.accuracy import MAX_CODES, Prediction, Tally, lines, load_framework
from bench.figures import show, table, told
from domain.corrections import LessonBook, Lessons
from domain.llm.calls import Attempt, Invocation
from domain.operations import assign_codes
from domain.operations.outline import Outline, outline_of
from runtime.evaluation.scoring import Given
from schemas.corrections import CodesCorrected
from schemas.records import FeedbackRecordSubmitted

SHARES = (0.0, 0.1, 0.25, 0.5)
TENANT, FRAMEWORK = "bench", "bench"


def learned(records: list[dict[str, Any]]) -> Lessons | None:
    """What corrections of these records teach."""
    book, now = LessonBook(), datetime.now(UTC)
    for record in records:
        book.take(
            CodesCorrected(
                tenant_id=TENANT,
                record_id=record["id"],
                framework_id=FRAMEWORK,
                code_ids=(record["metadata"]["codes"],),
                content=record["content"],
                corrected_at=now,
            )
        )
    return book.find(TENANT, FRAMEWORK)


class Tested:
    """One engine that answers test records with ever other lessons."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._engine = Engine()
        self._model = OfflineModel(self._engine)

    async def score(self, records: list[dict[str, Any]], lessons: Lessons | None) -> tuple[float, float]:
        """The shares of records whose first code is right (an abstention is a miss), and is among the best three."""
        self._engine.school = School()
        await self._answer(records[0]["content"], lessons)
        self._engine.school.settle()
        tally = Tally()
        for record in records:
            coding, ranked = await self._answer(record["content"], lessons)
            given = Given(tuple(tuple(code.id for code in coded.path) for coded in coding.codes))
            tally.add((record["metadata"]["codes"],), Prediction(given, ranked))
        return tally.scores.top1.value, tally.ranking.value

    async def _answer(self, content: str, lessons: Lessons | None) -> tuple[assign_codes.Coding, list[str]]:
        record = FeedbackRecordSubmitted(
            tenant_id=TENANT, record_id="record", content=content, framework_id=FRAMEWORK, max_codes=MAX_CODES
        )
        prompt = assign_codes.prompt(record, self._outline, lessons)
        answer = await self._model.complete(prompt, _attempt())
        task = read(prompt.system, prompt.user)
        assert isinstance(task, CodingTask)
        classifier = self._engine.classifier_for(task, prompt.teaching)
        best = ranking(classifier.score(content))[:3]
        ranked = [self._outline.paths[classifier.leaves[leaf].position][-1].id for leaf in best]
        return assign_codes.parse(answer.text or "", self._outline), ranked


def _attempt() -> Attempt:
    invocation = Invocation(
        invocation_id=uuid4(),
        tenant_id=TENANT,
        operation="assign_codes",
        started_at=datetime.now(UTC),
        deadline_seconds=600.0,
    )
    return Attempt(invocation, 1, "bench")


async def measure(records: list[dict[str, Any]], outline: Outline, seeds: int) -> None:
    """Print the table."""
    tested = Tested(outline)
    scores: dict[float, list[tuple[float, float]]] = {share: [] for share in SHARES}
    for seed in range(1, seeds + 1):
        shuffled = records[:]
        random.Random(seed).shuffle(shuffled)
        for share in SHARES:
            lessons = learned(shuffled[: int(share * len(records))])
            scores[share].append(await tested.score(shuffled[len(records) // 2 :], lessons))
    made = table(
        f"{len(records) - len(records) // 2} test records, {seeds} seeds: median (lowest..highest)",
        ("corrections", "number", "first code right", "mean", "among the best three", "mean"),
    )
    for share, found in scores.items():
        columns = []
        for values in zip(*found, strict=True):
            columns += [told(values, 3), f"{sum(values) / len(values):.3f}"]
        made.add_row(f"{share:.0%}", str(int(share * len(records))), *columns)
    show(made)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, required=True, help="JSON Lines with id, content and metadata.codes")
    parser.add_argument("--framework", type=Path, required=True, help="the coding framework's JSON")
    parser.add_argument("--stratum", help="only the records with this eval.stratum")
    parser.add_argument("--seeds", type=int, default=5, help="how many random halves")
    given = parser.parse_args()
    chosen = [each for each in lines(given.records) if given.stratum in (None, each.get("eval", {}).get("stratum"))]
    asyncio.run(measure(chosen, outline_of(load_framework(given.framework)), given.seeds))


if __name__ == "__main__":
    main()
