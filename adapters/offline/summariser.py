"""Summaries by extraction: the record's own words, in its own language, whatever output language was asked."""

import math
import re
from collections import Counter
from functools import cache
from importlib.resources import files
from typing import Any

from adapters.offline.speech_acts import first_act_end
from adapters.offline.texts import clauses, sentences, words

MAX_SENTENCES = 200
MAX_BULLETS = 5
ENOUGH_BULLETS = 3
MAX_BULLET_CHARACTERS = 400
LEAST_CLAUSE_WORDS = 3
TITLE_WORDS = (3, 4, 5)
MAX_TITLE_CHARACTERS = 80
UNSPACED_TITLE_CHARACTERS = 16
UNTITLED = "…"

_PHONE_OR_MAIL = re.compile(r"\+?\d[\d\s().\-]{6,20}\d|[^\s@]{1,64}@[^\s@]{1,255}")


@cache
def glue_words() -> frozenset[str]:
    """The words, in lower case, that hold sentences together rather than say what they are about."""
    lines = files(__package__).joinpath("glue_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def summarise(record: str) -> dict[str, Any]:
    """A title of 3 to 5 words and 3 to 5 bullets, where the record has as much; its sentences, in their order."""
    text = _PHONE_OR_MAIL.sub("…", record)
    pieces = sentences(text, MAX_SENTENCES) or [text.strip()[:MAX_BULLET_CHARACTERS] or UNTITLED]
    return {"title": _title(pieces), "bullets": [piece[:MAX_BULLET_CHARACTERS] for piece in _bullets(pieces)]}


def _bullets(pieces: list[str]) -> list[str]:
    unique = list(dict.fromkeys(pieces))
    if len(unique) > MAX_BULLETS:
        return _most_central(unique)
    while len(unique) < ENOUGH_BULLETS:
        halves = next(((n, parts) for n, piece in enumerate(unique) if len(parts := _halves(piece)) > 1), None)
        if halves is None:
            break
        unique[halves[0] : halves[0] + 1] = halves[1]
    return unique


def _halves(sentence: str) -> list[str]:
    """A sentence in two at the clause boundary nearest to its middle, both of three words or more; else as it is."""
    parts = clauses(sentence)
    cuts = [
        (abs(len(" ".join(parts[:cut])) - len(sentence) / 2), cut)
        for cut in range(1, len(parts))
        if min(len(words(" ".join(side))) for side in (parts[:cut], parts[cut:])) >= LEAST_CLAUSE_WORDS
    ]
    if not cuts:
        return [sentence]
    start = sentence.find(parts[min(cuts)[1]], len(" ".join(parts[: min(cuts)[1]])) - 2)
    if start <= 0:
        return [sentence]
    first, second = sentence[:start].rstrip(" ,;:،؛–—-"), sentence[start:].strip()
    return [first, second[:1].upper() + second[1:]]


def _most_central(pieces: list[str]) -> list[str]:
    """The five sentences that share most with the others, the first always among them, in their order."""
    bags = [{word.casefold() for word in words(piece)} - glue_words() for piece in pieces]
    spread = Counter(word for bag in bags for word in bag)
    centrality = [sum(math.log(spread[word]) for word in bag) / math.sqrt(len(bag) + 1) for bag in bags]
    best = sorted(range(1, len(pieces)), key=lambda n: (-centrality[n], n))[: MAX_BULLETS - 1]
    return [pieces[n] for n in (0, *sorted(best))]


def _title(pieces: list[str]) -> str:
    """The run of 3 to 5 words that says most: rare glue, long words, words that return, soon after a reporting verb."""
    text_words = [word.casefold() for piece in pieces[:20] for word in words(piece)]
    counts = Counter(text_words)
    best, best_score = "", -math.inf
    for number, piece in enumerate(pieces[:3]):
        reported = first_act_end(piece)
        for start, run in _runs(piece):
            score = _worth(run, counts) - 0.8 * number - 0.02 * max(0, start - reported)
            if start < reported:
                score -= 1.5  # who reports, before what is reported
            if score > best_score:
                best, best_score = run, score
    best = best or _opening(pieces[0])
    best = best[:MAX_TITLE_CHARACTERS].strip()
    return best[:1].upper() + best[1:]


def _runs(piece: str) -> list[tuple[int, str]]:
    """All runs of 3 to 5 words inside one clause that neither begin nor end with glue: where, and the text."""
    runs = []
    for clause in clauses(piece):
        offset = piece.find(clause)
        spans = [(match.start(), match.end()) for match in re.finditer(r"[^\s]+", clause)]
        bare = [clause[start:end].strip(".,;:!?؟،«»\"“”'()[]¿¡…") for start, end in spans]
        for length in TITLE_WORDS:
            for first in range(len(spans) - length + 1):
                last = first + length - 1
                if _content(bare[first]) and _content(bare[last]):
                    text = clause[spans[first][0] : spans[last][1]].strip('.,;:!?؟،«»"“”()[]¿¡… ')
                    runs.append((offset + spans[first][0], text))
    return runs


def _content(word: str) -> bool:
    return bool(word) and word.casefold() not in glue_words() and any(map(str.isalpha, word))


def _worth(run: str, counts: Counter[str]) -> float:
    found = [word.casefold() for word in words(run)]
    worth = sum(
        math.log(1 + len(word)) + 0.4 * math.log(counts[word] or 1) for word in found if word not in glue_words()
    )
    return worth - 0.5 * sum(word in glue_words() for word in found) - 0.35 * len(found)


def _opening(sentence: str) -> str:
    """A title where no run will do: the first words, or the first characters of a script without spaces."""
    found = sentence.split()[: TITLE_WORDS[-1]]
    text = " ".join(found).strip(".,;:!?؟،。！？… ")
    if len(found) < TITLE_WORDS[0] and len(text) > MAX_TITLE_CHARACTERS // 2:
        text = text[:UNSPACED_TITLE_CHARACTERS]
    return text or UNTITLED
