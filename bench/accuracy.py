"""How often `offline/semantic` finds the code that a person chose.

    python -m bench.accuracy --records FILE --framework FILE [--stratum prose]
    python -m bench.accuracy --samples

Every record goes through the product's own prompt and answer parser. Only ids and contents are read before the last
answer is in; the labels (`metadata.codes`, or `expected_code` of the samples) are read for scoring alone.
"""

import argparse
import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from adapters.offline.coder import ranking
from adapters.offline.engine import Engine
from adapters.offline.prompt_reader import CodingTask, read
from adapters.offline.provider import OfflineModel
from domain.llm.calls import Attempt, Invocation, Prompt
from domain.operations import assign_codes
from domain.operations.outline import Outline, outline_of
from runtime.evaluation.scoring import CodeIds, Given, Judged, Scores, Share, score
from schemas.frameworks import CodingFramework
from schemas.records import FeedbackRecordSubmitted

SAMPLES = Path(__file__).parents[1] / "samples"
MAX_CODES = 3


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was answered, and the three most probable leaves whatever their support."""

    given: Given
    ranked: list[str]

    @property
    def leaves(self) -> list[str]:
        """The ids of the codes that were answered, best first."""
        return [path[-1] for path in self.given.paths]


@dataclass(slots=True)
class Tally:
    """Records with their right codes, scored as `feedback eval` scores them; an abstention is a miss."""

    given: list[Judged] = field(default_factory=list)
    ranked: list[Judged] = field(default_factory=list)

    def add(self, right: CodeIds, prediction: Prediction) -> None:
        """Count a record whose right code has this path; its last id alone will do where levels are not looked at."""
        self.given.append(Judged(prediction.given, (right,)))
        self.ranked.append(Judged(Given(tuple((leaf,) for leaf in prediction.ranked)), (right,)))

    @property
    def scores(self) -> Scores:
        """Of what was answered."""
        return score(self.given)

    @property
    def ranking(self) -> Share:
        """How often the right code is among the three most probable."""
        return score(self.ranked).top3

    def line(self) -> str:
        """The shares in words."""
        scores = self.scores
        of_coded = Share(scores.top1.hits, scores.coded.hits)
        return (
            f"{scores.top1.of:5d} records  top-1 {scores.top1.value:.3f}  any given {scores.top3.value:.3f}  "
            f"ranked top-3 {self.ranking.value:.3f}  coverage {scores.coded.value:.3f}  "
            f"top-1 of coded {of_coded.value:.3f}  codes per record {scores.codes / max(1, scores.top1.of):.2f}"
        )


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


def load_framework(path: Path) -> CodingFramework:
    """A framework file, with or without the fields that name its owner."""
    named = {"tenant_id": "bench", "framework_id": path.stem, "version": "1"}
    return CodingFramework.model_validate(named | json.loads(path.read_text(encoding="utf-8")))


def paths_of(framework: CodingFramework) -> dict[str, CodeIds]:
    """The path of each code by its own id."""
    return {path[-1].id: tuple(code.id for code in path) for path in framework.paths()}


async def predict(contents: list[str], framework: CodingFramework) -> tuple[list[Prediction], float]:
    """Answers for all records, and how many records a second were answered once the framework was known."""
    outline, engine = outline_of(framework), Engine()
    model = OfflineModel(engine)
    prompts = [assign_codes.prompt(_record(content), outline) for content in contents]
    await model.complete(prompts[0], _attempt())
    started = time.perf_counter()
    answers = await asyncio.gather(*(model.complete(prompt, _attempt()) for prompt in prompts))
    rate = len(contents) / (time.perf_counter() - started)
    await model.aclose()
    predictions = []
    for prompt, answer in zip(prompts, answers, strict=True):
        coding = assign_codes.parse(answer.text or "", outline)
        paths = tuple(tuple(code.id for code in coded.path) for coded in coding.codes)
        predictions.append(Prediction(Given(paths), _ranked(engine, prompt, outline)))
    return predictions, rate


def _ranked(engine: Engine, prompt: Prompt, outline: Outline) -> list[str]:
    task = read(prompt.system, prompt.user)
    assert isinstance(task, CodingTask)
    classifier = engine.classifier(task.framework)
    best = ranking(classifier.score(task.record))[:3]
    return [outline.paths[classifier.leaves[leaf].position][-1].id for leaf in best]


def _record(content: str) -> FeedbackRecordSubmitted:
    return FeedbackRecordSubmitted(
        tenant_id="bench", record_id="record", content=content, framework_id="bench", max_codes=MAX_CODES
    )


def _attempt() -> Attempt:
    invocation = Invocation(
        invocation_id=uuid4(),
        tenant_id="bench",
        operation="assign_codes",
        started_at=datetime.now(UTC),
        deadline_seconds=600.0,
    )
    return Attempt(invocation, 1, "bench")


def on_file(records: Path, framework_file: Path, stratum: str | None) -> None:
    """Score a file whose records carry `metadata.codes`, and perhaps `eval.stratum`."""
    chosen = [each for each in lines(records) if not stratum or each.get("eval", {}).get("stratum") == stratum]
    framework = load_framework(framework_file)
    predictions, rate = asyncio.run(predict([each["content"] for each in chosen], framework))

    paths, tally = paths_of(framework), Tally()
    for each, prediction in zip(chosen, predictions, strict=True):
        tally.add(paths[each["metadata"]["codes"]], prediction)
    print(tally.line())
    for number, share in enumerate(tally.scores.levels, 1):
        print(f"level {number}: {share.value:.3f}")
    print(f"{rate:.0f} records a second")


def on_samples(verbose: bool) -> None:
    """Score samples/ by language: hits of the code that the author meant, and abstentions where none was meant."""
    records = list(lines(SAMPLES / "records.jsonl"))
    predictions: dict[str, Prediction] = {}
    paths: dict[str, dict[str, CodeIds]] = {}
    for tenant in sorted({each["tenant_id"] for each in records}):
        own = [each for each in records if each["tenant_id"] == tenant]
        framework = load_framework(SAMPLES / "frameworks" / f"{tenant}.json")
        paths[tenant] = paths_of(framework)
        answers, rate = asyncio.run(predict([each["content"] for each in own], framework))
        print(f"{tenant}: {rate:.0f} records a second")
        predictions |= dict(zip((each["id"] for each in own), answers, strict=True))

    tallies: dict[str, Tally] = defaultdict(Tally)
    silent: dict[str, list[bool]] = defaultdict(list)
    for each in records:
        prediction, meant = predictions[each["id"]], each["expected_code"]
        if meant is None:
            silent[each["language"]].append(not prediction.leaves)
        else:
            others = ["all but en"] if each["language"] != "en" else []
            for name in (each["language"], *others, "all"):
                tallies[name].add(paths[each["tenant_id"]][meant], prediction)
        if verbose and [meant] != prediction.leaves[:1] and (meant or prediction.leaves):
            print(f"  {each['id']}: meant {meant}, given {prediction.leaves}")
    for language, tally in tallies.items():
        top1 = tally.scores.top1
        print(f"{language:>10}: {top1.hits} of {top1.of} hit; {tally.line()}")
    quiet = [abstained for those in silent.values() for abstained in those]
    print(f"abstained on {sum(quiet)} of {len(quiet)} records that fit no code")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, help="JSON Lines with id, content and metadata.codes")
    parser.add_argument("--framework", type=Path, help="the coding framework's JSON")
    parser.add_argument("--stratum", help="only the records with this eval.stratum")
    parser.add_argument("--samples", action="store_true", help="score samples/ instead")
    parser.add_argument("--verbose", action="store_true", help="list the samples that were missed")
    chosen = parser.parse_args()
    if chosen.samples:
        on_samples(chosen.verbose)
    elif chosen.records and chosen.framework:
        on_file(chosen.records, chosen.framework, chosen.stratum)
    else:
        parser.error("give --samples, or --records and --framework")


if __name__ == "__main__":
    main()
