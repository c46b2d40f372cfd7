"""What a thousand coded records cost with each setting, computed from tokens: no model is asked.

    python -m bench.coding_cost [--framework FILE --records FILE]

Without files the samples are taken. The prompts are the product's own; tokens are counted with `o200k_base`, the
tokenizer of OpenAI's models since gpt-4o, which comes with LiteLLM; prices are LiteLLM's own list. Prints Markdown,
the tables of docs/costs.md.

What is assumed: an answer names two codes of three levels for each record, with a reason of a dozen words; every answer
is usable at once. With a prompt cache: the provider keeps the beginning that all calls share, where it has at least
1,024 tokens, in steps of 128, as OpenAI says of its own; it is warm, as calls follow each other within minutes.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from os.path import commonprefix
from pathlib import Path
from statistics import mean

from adapters.offline.likeness import EmbeddedCodes
from bench.accuracy import SAMPLES, lines, load_framework
from bench.large_framework import enlarged
from domain.llm.calls import Prompt
from domain.operations import assign_codes
from domain.operations.coding_batch import Batch
from domain.operations.narrowing import Narrower
from domain.operations.outline import LEVELS_OF_DETAIL, Detail, Outline, line, outline_of, rendered
from schemas.frameworks import CodingFramework
from schemas.records import FeedbackRecordSubmitted

MODELS = ("gpt-4o-mini", "gpt-4.1-mini", "gemini/gemini-2.5-flash-lite")
BATCHES = (5, 10, 20)
RECORDS = 200
LEAST_CACHED, CACHE_STEP = 1024, 128
TOKENS_OF_A_MESSAGE = 4
SYNCHRONOUS_CALLS, SYNCHRONOUS_TOKENS = 9, 4070
"""Of the synchronous service that this project replaces, for each record: LLM calls and input tokens."""
EXAMPLE = {
    "id": "12.3.4",
    "confidence": [0.9, 0.85, 0.8],
    "reason": "The community member says that the distribution came too late for families.",
}

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one record takes, on average.

    Attributes:
        calls: LLM calls.
        tokens_in, cached: tokens read in all, and the part of them that a prompt cache has.
        tokens_out: tokens written; None: not known.
    """

    calls: float
    tokens_in: float
    cached: float
    tokens_out: float | None


def counter() -> Count:
    """Counts the tokens of a text."""
    import litellm.litellm_core_utils.default_encoding  # noqa: F401 - tells tiktoken where the files are
    import tiktoken

    encoding = tiktoken.get_encoding("o200k_base")
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def taken(prompts: Sequence[Prompt], answer: str, records: int, count: Count) -> Taken:
    """What records take that were asked about with these prompts, all alike but for the records."""
    read = sum(count(m["content"]) + TOKENS_OF_A_MESSAGE for prompt in prompts for m in prompt.messages())
    shared = count(commonprefix([prompt.system for prompt in prompts]))  # noqa: RUF071 - texts, no paths
    kept = shared // CACHE_STEP * CACHE_STEP if shared >= LEAST_CACHED else 0
    calls = len(prompts)
    return Taken(calls / records, read / records, kept * calls / records, count(answer) * calls / records)


def single_answer() -> str:
    """What a model answers about one record."""
    return json.dumps({"codes": [EXAMPLE, EXAMPLE], "abstained_because": None})


def batch_answer(size: int) -> str:
    """The same about several."""
    entry = {"check": "k7f", "codes": [EXAMPLE, EXAMPLE], "abstained_because": None}
    return json.dumps({"records": [{"record": number, **entry} for number in range(1, size + 1)]})


def with_detail(framework: CodingFramework, detail: Detail) -> Outline:
    """The whole framework with so much said of each code."""
    whole = outline_of(framework)
    text = "\n".join(line(position, path[-1], detail) for position, path in whole.paths.items())
    return rendered(framework, text, whole.paths, whole.instructions)


async def settings(
    framework: CodingFramework, records: Sequence[FeedbackRecordSubmitted], count: Count
) -> list[tuple[str, Taken]]:
    """Each setting, and what a record takes with it."""
    all_detail = with_detail(framework, LEVELS_OF_DETAIL[0])
    found = []
    for name, detail in (
        ("one call a record, all detail", LEVELS_OF_DETAIL[0]),
        ("one call, at most 2 examples a code", LEVELS_OF_DETAIL[1]),
        ("one call, names and descriptions", LEVELS_OF_DETAIL[3]),
        ("one call, names only", LEVELS_OF_DETAIL[4]),
    ):
        outline = with_detail(framework, detail)
        prompts = [assign_codes.prompt(record, outline) for record in records]
        found.append((name, taken(prompts, single_answer(), len(records), count)))
    for budget in _budgets(framework):
        parts = await _narrowed(framework, records, budget)
        codes = mean(len(part.paths) for part in parts)
        prompts = [assign_codes.prompt(record, part) for record, part in zip(records, parts, strict=True)]
        name = f"one call, narrowed to {budget:,} tokens ({codes:.0f} codes)"
        found.append((name, taken(prompts, single_answer(), len(records), count)))
    for size in BATCHES:
        prompts = [Batch.of(each, all_detail, None).prompt() for each in _in_parts(records, size)]
        found.append((f"batches of {size}, all detail", taken(prompts, batch_answer(size), len(records), count)))
    return found


def _budgets(framework: CodingFramework) -> list[int]:
    """Budgets for which the framework is too large."""
    return [budget for budget in (16_000, 4_000, 2_000) if not outline_of(framework, budget).fits]


async def _narrowed(
    framework: CodingFramework, records: Sequence[FeedbackRecordSubmitted], budget: int
) -> list[Outline]:
    whole = outline_of(framework, budget)
    async with aclosing(EmbeddedCodes()) as likeness:
        narrower = Narrower(likeness, budget)
        return [await narrower.narrowed(whole, record.content) for record in records]


def _in_parts(records: Sequence[FeedbackRecordSubmitted], size: int) -> Iterator[Sequence[FeedbackRecordSubmitted]]:
    return (records[start : start + size] for start in range(0, len(records), size))


def dollars(taken: Taken, model: str, *, cache: bool) -> str:
    """US dollars for a thousand records; those for reading alone where the tokens written are not known."""
    import litellm

    prices = litellm.model_cost[model]
    cached = taken.cached if cache else 0.0
    one = (
        (taken.tokens_in - cached) * prices["input_cost_per_token"]
        + cached * prices["cache_read_input_token_cost"]
        + (taken.tokens_out or 0.0) * prices["output_cost_per_token"]
    )
    return f"{1000 * one:.2f}"


def show(title: str, rows: Sequence[tuple[str, Taken]]) -> None:
    """Print a table."""
    print(f"\n{title}\n")
    print("| setting | calls | tokens in | of them cached | tokens out | " + " | ".join(MODELS) + " |")
    print("|---|---|---|---|---|" + "---|" * len(MODELS))
    for name, took in rows:
        prices = (f"{dollars(took, model, cache=False)} / {dollars(took, model, cache=True)}" for model in MODELS)
        figures = (f"{took.calls:.2f}", f"{took.tokens_in:,.0f}", f"{took.cached:,.0f}", _told(took.tokens_out))
        print(f"| {name} | " + " | ".join((*figures, *prices)) + " |")


def _told(tokens: float | None) -> str:
    return "not told" if tokens is None else f"{tokens:,.0f}"


def main() -> None:
    """The command line."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--framework", type=Path, default=SAMPLES / "frameworks" / "harbour-aid.json")
    parser.add_argument("--records", type=Path, default=SAMPLES / "records.jsonl", help="JSON Lines with content")
    parser.add_argument("--leaves", type=int, default=3000, help="of the large framework")
    chosen = parser.parse_args()
    framework, count = load_framework(chosen.framework), counter()
    contents = [each["content"] for each in lines(chosen.records)][:RECORDS]
    contents = contents[: len(contents) // max(BATCHES) * max(BATCHES)]
    records = [
        FeedbackRecordSubmitted(tenant_id="bench", record_id="record", content=content, framework_id="bench")
        for content in contents
    ]
    before = ("the synchronous service", Taken(SYNCHRONOUS_CALLS, SYNCHRONOUS_TOKENS, 0, None))
    for each in (framework, enlarged(framework, chosen.leaves)):
        codes = sum(1 for _ in each.paths())
        words = mean(count(content) for content in contents)
        rows = asyncio.run(settings(each, records, count))
        show(
            f"A framework of {codes:,} codes, {len(records)} records of {words:.0f} tokens on average:", [before, *rows]
        )


if __name__ == "__main__":
    main()
