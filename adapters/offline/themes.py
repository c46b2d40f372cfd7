"""Themes of many records by extraction: records that are alike, under a title and a sentence of their own."""

from typing import Any

import numpy as np

from adapters.offline.analyser import MAX_SENTENCES, groups_of
from adapters.offline.embeddings import Embedder, Vectors
from adapters.offline.summariser import without_contacts
from adapters.offline.texts import sentences, without_placeholders
from adapters.offline.titles import UNTITLED, title_of

MAX_RECORDS = 400
MAX_THEMES = 12
MAX_SUMMARY_CHARACTERS = 400


def themes_of(records: tuple[str, ...], embedder: Embedder) -> dict[str, Any]:
    """The answer's JSON. At most the first 400 records are read; the rarest themes are left out."""
    read = [_opening(record) for record in records[:MAX_RECORDS]]
    vectors = embedder.encode([without_placeholders(" ".join(pieces)) for pieces in read])
    groups = groups_of(vectors)[:MAX_THEMES]
    themes = [{**_theme(read[_typical(group, vectors)]), "records": [n + 1 for n in sorted(group)]} for group in groups]
    return {"title": themes[0]["title"], "themes": themes}


def merged(themes: tuple[tuple[int, str], ...], embedder: Embedder) -> dict[str, Any]:
    """The answer's JSON: themes that are alike go together, under the words of the one with the most records."""
    vectors = embedder.encode([without_placeholders(text[:MAX_SUMMARY_CHARACTERS]) for _, text in themes])
    weights = [count for count, _ in themes]
    groups = sorted(groups_of(vectors), key=lambda group: (-sum(weights[n] for n in group), group[0]))[:MAX_THEMES]
    found: list[dict[str, Any]] = []
    for group in groups:
        largest = max(group, key=lambda n: (weights[n], -n))
        title, _, summary = themes[largest][1].partition("\n")
        words = {"title": title.strip() or UNTITLED, "summary": summary.strip() or title.strip() or UNTITLED}
        found.append({**words, "parts": [n + 1 for n in sorted(group)]})
    return {"title": found[0]["title"], "themes": found}


def _opening(record: str) -> list[str]:
    text = without_contacts(record)
    return sentences(text, MAX_SENTENCES) or [text.strip()[:200] or UNTITLED]


def _typical(group: list[int], vectors: Vectors) -> int:
    centre = vectors[group].mean(axis=0)
    return max(group, key=lambda n: (round(float(np.dot(vectors[n], centre)), 6), -n))


def _theme(pieces: list[str]) -> dict[str, str]:
    return {"title": title_of(pieces), "summary": " ".join(pieces)[:MAX_SUMMARY_CHARACTERS]}
