"""Putting analyses of chunks together by extraction: the same themes become one, and their records are added up."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.offline.analyser import MAX_RECORDS, MAX_THEMES, MOST_CONFIDENCE, groups_of, head_of, line_of, so_many
from adapters.offline.embeddings import Embedder
from adapters.offline.texts import sentences, without_placeholders

MAX_ITEMS = MAX_RECORDS
_LINE = re.compile(r"\d+\. (?P<names>.{1,300}?) \((?P<count>\d{1,9}) records?\), e\.g\. «(?P<quote>.{1,600})»")
_MAX_SENTENCES = 2


@dataclass(frozen=True, slots=True)
class _Item:
    names: str
    count: int
    quote: str


def put_together(instruction: str, findings: tuple[tuple[int, str], ...], embedder: Embedder) -> dict[str, Any]:
    """The answer's JSON: the largest themes over all chunks, each with how many records its chunks counted for it.

    What is not in our own form, another model's findings, is one theme: its first sentences, with all its records.

    Args:
        instruction: the analyst's question.
        findings: each with the number of records that it rests on.
        embedder: says which themes are alike.
    """
    items = [item for count, text in findings for item in _items(count, text)]
    items = sorted(items, key=lambda item: -item.count)[:MAX_ITEMS]
    vectors = embedder.encode([without_placeholders(item.quote) for item in items])
    relevance = np.asarray(vectors @ embedder.encode([instruction[:600]])[0], dtype=np.float64)
    groups = sorted(groups_of(vectors), key=lambda group: (-sum(items[n].count for n in group), group[0]))[:MAX_THEMES]
    lines = []
    for rank, group in enumerate(groups, 1):
        typical = max(group, key=lambda n: (items[n].count, round(float(relevance[n]), 6), -n))
        total = sum(items[n].count for n in group)
        lines.append(line_of(rank, items[typical].names, total, items[typical].quote))
    given = sum(count for count, _ in findings)
    covered = min(given, sum(items[n].count for group in groups for n in group))
    head = head_of(f"{so_many(given)}, read in chunks", len(groups), covered)
    share = covered / given if given else 0.0
    confidence = round(MOST_CONFIDENCE * share * max(0.0, min(1.0, float(relevance.max()))), 2)
    return {"answer": "\n".join([head, *lines]), "confidence": confidence}


def _items(count: int, text: str) -> list[_Item]:
    own = [_Item(m["names"], int(m["count"]), m["quote"]) for line in text.splitlines() if (m := _LINE.fullmatch(line))]
    if own:
        return own
    quote = " ".join(sentences(text, _MAX_SENTENCES)) or "…"
    return [_Item("…", count, quote)]
