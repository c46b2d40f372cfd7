"""Analyses by extraction: the records' themes, how many records each has, and its most typical sentence."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.offline.embeddings import Embedder, Vectors
from adapters.offline.glue import glue_words
from adapters.offline.texts import sentences, without_placeholders, words

MAX_RECORDS = 400
MAX_SENTENCES = 3
MAX_THEMES = 5
SAME_THEME = 0.25
"""The least cosine that two groups need on average to become one."""
QUOTE_CHARACTERS = 240
NUMBERS_SHOWN = 12
THEME_WORDS = 3
MOST_CONFIDENCE = 0.5
"""It groups and counts, it does not answer: it never claims to be surer."""


def analyse(instruction: str, records: tuple[str, ...], embedder: Embedder, *, numbered: bool = True) -> dict[str, Any]:
    """The answer's JSON. At most 400 records are read, evenly spread over those given.

    Args:
        instruction: the analyst's question.
        records: what is read.
        numbered: whether the answer names records by their numbers in the prompt.
    """
    step = max(1, -(-len(records) // MAX_RECORDS))
    read = list(range(0, len(records), step))
    openings = [" ".join(sentences(records[n], MAX_SENTENCES)) or records[n][:200] for n in read]
    vectors = embedder.encode([without_placeholders(opening) for opening in openings])
    themes = groups_of(vectors)[:MAX_THEMES]
    relevance = np.asarray(vectors @ embedder.encode([instruction[:600]])[0], dtype=np.float64)
    rare = Counter(word for opening in openings for word in content_words(opening))
    lines = [
        _line(rank, theme, openings, vectors, relevance, rare, [n + 1 for n in read] if numbered else [])
        for rank, theme in enumerate(themes, 1)
    ]
    covered = sum(map(len, themes))
    sampled = "" if step == 1 else f" ({len(read)} of them were read, evenly spread)"
    head = head_of(f"{so_many(len(records))}{sampled}", len(themes), covered)
    confidence = round(MOST_CONFIDENCE * covered / len(read) * max(0.0, min(1.0, float(relevance.max()))), 2)
    return {"answer": "\n".join([head, *lines]), "confidence": confidence}


def groups_of(vectors: Vectors) -> list[list[int]]:
    """Groups of records, largest first: joined pair by pair while their members are alike on average."""
    if len(vectors) < 2:
        return [[0]]
    from sklearn.cluster import AgglomerativeClustering  # type: ignore[import-untyped, unused-ignore]

    clustering = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=1.0 - SAME_THEME
    )
    groups: dict[int, list[int]] = {}
    for number, group in enumerate(clustering.fit_predict(np.asarray(vectors, dtype=np.float64)).tolist()):
        groups.setdefault(group, []).append(number)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def _line(
    rank: int,
    theme: list[int],
    openings: list[str],
    vectors: Vectors,
    relevance: npt.NDArray[np.float64],
    everywhere: Counter[str],
    numbers: list[int],
) -> str:
    centre = vectors[theme].mean(axis=0)
    typical = max(theme, key=lambda n: (round(float(vectors[n] @ centre) + float(relevance[n]), 6), -n))
    counts = Counter(word for n in theme for word in content_words(openings[n]))
    names = sorted(counts, key=lambda word: (-(counts[word] ** 2) / everywhere[word], -len(word), word))[:THEME_WORDS]
    shown = ", ".join(str(numbers[n]) for n in theme[:NUMBERS_SHOWN] if numbers)
    shown = f": {shown}{', …' if len(theme) > NUMBERS_SHOWN else ''}" if shown else ""
    return line_of(rank, ", ".join(names), len(theme), openings[typical], shown)


def line_of(rank: int, names: str, count: int, quote: str, numbers: str = "") -> str:
    """One theme as a line: its words, how many records it has, which, and what one of them says."""
    quote = quote if len(quote) <= QUOTE_CHARACTERS else f"{quote[:QUOTE_CHARACTERS].rstrip()}…"
    return f"{rank}. {names or '…'} ({so_many(count)}{numbers}), e.g. «{quote}»"


def head_of(read: str, themes: int, covered: int) -> str:
    """What stands above the themes: what this is, how many records were read, and how many of them the themes hold."""
    held = "one theme holds" if themes == 1 else f"the largest {themes} themes hold"
    return (
        "offline/semantic is not an LLM: this groups and quotes the records; it does not answer the question itself.\n"
        f"{read}; {held} {covered} of them:"
    )


def so_many(records: int) -> str:
    """`1 record`, `2 records`."""
    return f"{records} record" if records == 1 else f"{records} records"


def content_words(text: str) -> set[str]:
    return {
        word
        for each in words(without_placeholders(text))
        if len(word := each.casefold()) > 2 and word not in glue_words() and not word.isdigit()
    }
