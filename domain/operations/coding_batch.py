"""Coding several feedback records in one call, so that no answer can reach another record than the one it was for.

Each record has a number and a check, three characters that follow from both number and content. A part of the answer
counts only where it names the number and the check of the same record, and nothing else names either of them: numbers
that were swapped, lost or used twice leave the records that they touch without an answer. What a model says under the
right number and check is taken at its word, as in a call with one record.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from domain.corrections import Lessons
from domain.errors import InvalidOutputError
from domain.llm.calls import Prompt
from domain.operations import assign_codes, corrected_examples
from domain.operations.answers import json_object
from domain.operations.assign_codes import Coding
from domain.operations.outline import Outline
from domain.privacy.placeholders import Key, mentioned, replaced, written
from domain.prompts.envelope import RECORD_TAG, block, bounded, escape, options
from domain.prompts.instructions import instructions_for_stage
from schemas.operations import Operation
from schemas.records import FeedbackRecordSubmitted

MOST_OUTPUT_TOKENS = 16_384
TOKENS_OF_A_CODE = 60
MAX_RECORDS = 100
_ALPHABET = "bcdfghjkmnpqrstvwxz23456789"
_CHECK_CHARACTERS = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one tenant that are coded together, with equal options.

    Attributes:
        records: numbered from 1 in their prompt, in this order.
        outline: of their framework.
        lessons: see `assign_codes.prompt`.
        texts: the records' contents with placeholders (`[EMAIL_1]`) that are of one record alone.
        checks: of the records.
    """

    records: tuple[FeedbackRecordSubmitted, ...]
    outline: Outline
    lessons: Lessons | None
    texts: tuple[str, ...] = field(repr=False)
    checks: tuple[str, ...] = field(repr=False)
    _own: Mapping[Key, tuple[int, str]] = field(repr=False)

    @classmethod
    def of(cls, records: Sequence[FeedbackRecordSubmitted], outline: Outline, lessons: Lessons | None) -> "Batch":
        """The batch of these records, at least one and at most 100."""
        own: dict[Key, tuple[int, str]] = {}
        texts = tuple(_renumbered(number, record.content, own) for number, record in enumerate(records))
        return cls(tuple(records), outline, lessons, texts, _checks(texts), own)

    def prompt(self) -> Prompt:
        """Ask for the codes of all records in one call."""
        first, count = self.records[0], len(self.records)
        instructions = instructions_for_stage("assign_codes.batch")
        chosen = options({"max_codes": first.max_codes, "output_language": first.output_language})
        envelopes = (
            block(RECORD_TAG, escape(bounded(text)), f' number="{number}" check="{check}"')
            for number, (text, check) in enumerate(zip(self.texts, self.checks, strict=True), 1)
        )
        longest = count * (first.max_codes + 1) * TOKENS_OF_A_CODE
        return Prompt(
            operation=Operation.ASSIGN_CODES.value,
            version=instructions.version,
            system=f"{instructions.text}\n{block('framework', self.outline.text)}{chosen}",
            user="\n".join(envelopes),
            max_output_tokens=min(MOST_OUTPUT_TOKENS, max(assign_codes.MAX_OUTPUT_TOKENS, longest)),
            teaching=corrected_examples.teaching(self.lessons, self.outline.ids),
        )

    def parse(self, text: str) -> tuple[Coding | None, ...]:
        """Understand a model's answer: the coding of each record, None for one that the answer has none for.

        Raises:
            InvalidOutputError: there is none for any record.
        """
        entries = json_object(text).get("records")
        if not isinstance(entries, list):
            raise InvalidOutputError('"records" is not a list.')
        if len(entries) > 2 * MAX_RECORDS:
            raise InvalidOutputError(f'"records" has more than {2 * MAX_RECORDS} entries.')
        named = [self._named(entry) for entry in entries]
        times = Counter(number for pair in named for number in set(pair) if number is not None)
        found: list[Coding | None] = [None] * len(self.records)
        for entry, (by_number, by_check) in zip(entries, named, strict=True):
            if by_number is not None and by_number == by_check and times[by_number] == 1:
                found[by_number] = self._coding(by_number, entry)
        if not any(found):
            raise InvalidOutputError(
                'Each of "records" must have the number and the check of one record, each record once, and valid codes.'
            )
        return tuple(found)

    def _named(self, entry: Any) -> tuple[int | None, int | None]:
        """Which record, from 0, a part of the answer names: by its number, by its check."""
        if not isinstance(entry, dict):
            return None, None
        number, check = entry.get("record"), entry.get("check")
        by_number = number - 1 if type(number) is int and 1 <= number <= len(self.records) else None
        by_check = self.checks.index(check) if isinstance(check, str) and check in self.checks else None
        return by_number, by_check

    def _coding(self, number: int, entry: dict[str, Any]) -> Coding | None:
        try:
            coding = assign_codes.coding_in(entry, self.outline)
        except InvalidOutputError:
            return None
        codes = tuple(replace(coded, reason=self._restored(number, coded.reason)) for coded in coding.codes)
        because = coding.abstained_because
        return Coding(codes, because and self._restored(number, because))

    def _restored(self, number: int, text: str) -> str:
        """A model's text on one record, with its placeholders as they were; those of others have no number left."""

        def original(key: Key) -> str:
            owner, before = self._own.get(key, (None, ""))
            return before if owner == number else f"[{key[0]}]"

        return replaced(text, original)


def _renumbered(number: int, content: str, own: dict[Key, tuple[int, str]]) -> str:
    """A record's content with placeholders of its own; `own` learns whose they are and what they were."""
    news: dict[Key, str] = {}
    for kind, before in mentioned(content):
        if (kind, before) not in news:
            key = kind, 1 + sum(known is kind for known, _ in own)
            own[key] = number, written(kind, before)
            news[kind, before] = written(*key)
    return replaced(content, news.get) if news else content


def _checks(texts: Sequence[str]) -> tuple[str, ...]:
    """A check for each text, no two the same; the same for the same texts."""
    found: dict[str, None] = {}
    for number, text in enumerate(texts):
        salt = 0
        while (check := _check(f"{number} {salt} {text}")) in found:
            salt += 1
        found[check] = None
    return tuple(found)


def _check(text: str) -> str:
    number = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return "".join(_ALPHABET[number // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(_CHECK_CHARACTERS))
