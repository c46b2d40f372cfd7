"""The themes of many records: what a model is asked about them, and how its answers are understood.

A model names records by their number in the prompt, and themes likewise; ids of records never pass through a model.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from domain.errors import InvalidOutputError
from domain.llm.calls import Prompt
from domain.llm.tokens import beginning
from domain.operations.analyze import user_of
from domain.operations.answers import json_object, plain_text
from domain.prompts.envelope import block, escape, options
from domain.prompts.instructions import Instructions, instructions_for, instructions_for_stage
from schemas.operations import Operation
from schemas.requests import RequestedRecord, SummaryRequested

MAX_OUTPUT_TOKENS = 8192
MAX_TITLE_WORDS = 12
MAX_TITLE_CHARACTERS = 120
MAX_SUMMARY_CHARACTERS = 1000
MAX_THEMES = 24
"""Twice as many as are asked for: more cannot be meant."""
MAX_THEMES_OF_A_RECORD = 3


@dataclass(frozen=True, slots=True)
class Named:
    """A theme as a model names it.

    Attributes:
        title, summary: in its words.
        members: the numbers of the records, or of the themes, that belong to it: distinct, in the order given.
    """

    title: str = field(repr=False)
    summary: str = field(repr=False)
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """What a model answered: a title for all, and the themes."""

    title: str = field(repr=False)
    themes: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme with what is behind it.

    Attributes:
        records: positions in the request, ascending.
    """

    title: str = field(repr=False)
    summary: str = field(repr=False)
    records: tuple[int, ...]


def prompt(request: SummaryRequested, records: Sequence[RequestedRecord]) -> Prompt:
    """Ask for the themes of some of the request's records."""
    user = user_of(records)
    return _prompt(instructions_for(Operation.SUMMARIZE_AGGREGATE), request, user)


def merge_prompt(request: SummaryRequested, themes: Sequence[Theme], most_tokens: int = sys.maxsize) -> Prompt:
    """Ask which themes are the same, with as much of each as takes so many tokens."""
    user = "\n".join(envelope(theme, number, most_tokens) for number, theme in enumerate(themes, 1))
    return _prompt(instructions_for_stage("summarize_aggregate.merge"), request, user)


def _prompt(instructions: Instructions, request: SummaryRequested, user: str) -> Prompt:
    return Prompt(
        operation=Operation.SUMMARIZE_AGGREGATE.value,
        version=instructions.version,
        system=instructions.text + options({"output_language": request.output_language}),
        user=user,
        max_output_tokens=MAX_OUTPUT_TOKENS,
    )


def envelope(theme: Theme, number: int = 999_999, most_tokens: int = sys.maxsize) -> str:
    """A theme for a prompt: a model's words about texts that anybody may have written, escaped as these are.

    It is cut where it would take more tokens than `most_tokens`, the line end behind it included.
    """
    about = f' number="{number}" records="{len(theme.records)}"'

    def shown(text: str) -> str:
        return block("theme", escape(text), about) + "\n"

    return shown(beginning(f"{theme.title}\n{theme.summary}", most_tokens, shown))[:-1]


def parse(text: str, records: int) -> Overview:
    """Understand an answer about so many records: a record stands under the first three themes that name it.

    Raises:
        InvalidOutputError: no JSON object, no title, no themes, too many, or a number that is no record's.
    """
    overview = _overview(text, "records", records)
    times: Counter[int] = Counter(number for theme in overview.themes for number in theme.members)
    if max(times.values()) <= MAX_THEMES_OF_A_RECORD:
        return overview
    left = [MAX_THEMES_OF_A_RECORD] * (records + 1)
    kept = tuple(replace(theme, members=tuple(_while_left(left, theme.members))) for theme in overview.themes)
    return replace(overview, themes=tuple(theme for theme in kept if theme.members))


def _while_left(left: list[int], members: Iterable[int]) -> Iterator[int]:
    for number in members:
        left[number] -= 1
        if left[number] >= 0:
            yield number


def parse_merge(text: str, themes: int) -> Overview:
    """Understand an answer about so many themes: each belongs to one of the merged ones at most.

    Raises:
        InvalidOutputError: as with `parse`, or a theme stands under two.
    """
    merged = _overview(text, "parts", themes)
    named = [number for theme in merged.themes for number in theme.members]
    if len(named) != len(set(named)):
        raise InvalidOutputError('A number stands twice in "parts".')
    return merged


def _overview(text: str, key: str, highest: int) -> Overview:
    answer = json_object(text)
    entries = answer.get("themes")
    if not isinstance(entries, list) or not entries:
        raise InvalidOutputError('"themes" is not a list of themes.')
    if len(entries) > MAX_THEMES:
        raise InvalidOutputError(f'"themes" has more than {MAX_THEMES} entries.')
    return Overview(_title(answer.get("title")), tuple(_named(entry, key, highest) for entry in entries))


def _named(entry: Any, key: str, highest: int) -> Named:
    if not isinstance(entry, dict):
        raise InvalidOutputError(f'Each of "themes" must be an object with "title", "summary" and "{key}".')
    summary = plain_text(entry.get("summary"), MAX_SUMMARY_CHARACTERS)
    if not summary:
        raise InvalidOutputError('The "summary" of a theme is missing or blank.')
    given = entry.get(key)
    if not isinstance(given, list) or not given:
        raise InvalidOutputError(f'"{key}" of a theme is not a list of numbers.')
    if not all(type(number) is int and 1 <= number <= highest for number in given):
        raise InvalidOutputError(f'"{key}" of a theme holds something else than numbers from 1 to {highest}.')
    return Named(_title(entry.get("title")), summary, tuple(dict.fromkeys(given)))


def _title(value: object) -> str:
    title = plain_text(value, MAX_TITLE_CHARACTERS + 1)
    if not title:
        raise InvalidOutputError('A "title" is missing or blank.')
    if len(title) > MAX_TITLE_CHARACTERS or len(title.split()) > MAX_TITLE_WORDS:
        raise InvalidOutputError(
            f'A "title" has more than {MAX_TITLE_WORDS} words or {MAX_TITLE_CHARACTERS} characters.'
        )
    return title
