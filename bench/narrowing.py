"""What is lost where a framework too large for a prompt is narrowed, see `domain/operations/narrowing.py`.

    python -m bench.narrowing --records FILE --framework FILE [--stratum prose] [--leaves 3000] [--coded 100]
    python -m bench.narrowing --samples

The framework gets made-up codes beside its own, until it has so many leaves (`large_framework.py`). For each token
budget: how often the code that a person chose is among those shown, and how many are shown; then, for the first
records, how often `offline/semantic` puts it first, given the whole framework or the part. The labels are read for
scoring alone.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import numpy as np

from adapters.offline import classifier as classifiers
from adapters.offline.classifier import FrameworkClassifier
from adapters.offline.coder import ranking
from adapters.offline.embeddings import Embedder, SentenceEncoder, Vectors
from adapters.offline.likeness import EmbeddedCodes
from adapters.offline.prompt_reader import parse_framework
from bench.accuracy import SAMPLES, lines, load_framework
from bench.figures import show, table
from bench.large_framework import enlarged
from domain.operations.narrowing import Narrower
from domain.operations.outline import Outline, outline_of
from schemas.frameworks import CodingFramework

BUDGETS = (16_000, 8_000, 4_000, 2_000)

Labelled = tuple[str, str]
"""A record's content, and the id of the code that is right."""


class Remembering:
    """An embedder that embeds each text once: parts of a framework have most of their texts in common."""

    def __init__(self) -> None:
        self._encoder = SentenceEncoder()
        self._known: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), 64):
            some = new[start : start + 64]
            self._known |= zip(some, self._encoder.encode(some), strict=True)
        return np.stack([self._known[text] for text in texts])


def top(outline: Outline, classifier: FrameworkClassifier, content: str) -> str:
    """The id of the code that comes first, whatever its support."""
    best = ranking(classifier.score(content))[0]
    return outline.paths[classifier.leaves[best].position][-1].id


async def measure(framework: CodingFramework, records: Sequence[Labelled], leaves: int, coded: int) -> None:
    """Print the table."""
    large, encoder = enlarged(framework, leaves), Remembering()
    count = sum(not path[-1].children for path in large.paths())
    made = table(
        f"{len(records)} records, {count} leaves; top-1 of {min(coded, len(records))} records",
        ["shown", "codes", "right code shown", "top-1", "ms to narrow"],
    )
    whole = outline_of(large, 1)
    for name, shown in (("all codes, names only", whole), ("all codes, all detail", outline_of(large, 1_000_000))):
        made.add_row(name, str(len(shown.paths)), "1.000", _share(shown, encoder, records[:coded]), "-")
    async with aclosing(EmbeddedCodes()) as likeness:
        started = time.perf_counter()
        await Narrower(likeness, 1).narrowed(whole, "first")
        first = time.perf_counter() - started
        for budget in BUDGETS:
            outline, narrower = outline_of(large, budget), Narrower(likeness, budget)
            if outline.fits:
                continue
            started = time.perf_counter()
            parts = [await narrower.narrowed(outline, content) for content, _ in records]
            took = 1000 * (time.perf_counter() - started) / len(records)
            codes = sum(len(part.paths) for part in parts) / len(parts)
            recall = sum(label in part.ids for part, (_, label) in zip(parts, records, strict=True)) / len(records)
            hits = [_hit(part, encoder, *record) for part, record in zip(parts[:coded], records, strict=False)]
            made.add_row(
                f"{budget:,} tokens", f"{codes:.0f}", f"{recall:.3f}", f"{sum(hits) / len(hits):.3f}", f"{took:.1f}"
            )
    show(made)
    print(f"The first record waits {first:.1f} s: the encoder is loaded, and all codes are embedded.")


def _share(whole: Outline, encoder: Embedder, records: Sequence[Labelled]) -> str:
    classifier = FrameworkClassifier(parse_framework(whole.text), encoder)
    hits = [top(whole, classifier, content) == label for content, label in records]
    return f"{sum(hits) / len(hits):.3f}"


def _hit(part: Outline, encoder: Embedder, content: str, label: str) -> bool:
    return top(part, FrameworkClassifier(parse_framework(part.text), encoder), content) == label


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, help="JSON Lines with content and metadata.codes")
    parser.add_argument("--framework", type=Path, help="the coding framework's JSON")
    parser.add_argument("--stratum", help="only the records with this eval.stratum")
    parser.add_argument("--samples", action="store_true", help="the records and the framework of harbour-aid instead")
    parser.add_argument("--leaves", type=int, default=3000)
    parser.add_argument("--coded", type=int, default=100, help="records for the last figure; one takes seconds")
    chosen = parser.parse_args()
    classifiers.MAX_REGRESSION_SIZE = 0
    if chosen.samples:
        framework = load_framework(SAMPLES / "frameworks" / "harbour-aid.json")
        own = [each for each in lines(SAMPLES / "records.jsonl") if each["tenant_id"] == "harbour-aid"]
        records = [(each["content"], each["expected_code"]) for each in own if each["expected_code"]]
    elif chosen.records and chosen.framework:
        framework = load_framework(chosen.framework)
        own = [
            e for e in lines(chosen.records) if not chosen.stratum or e.get("eval", {}).get("stratum") == chosen.stratum
        ]
        records = [(each["content"], each["metadata"]["codes"]) for each in own]
    else:
        parser.error("give --samples, or --records and --framework")
    asyncio.run(measure(framework, records, chosen.leaves, chosen.coded))


if __name__ == "__main__":
    main()
