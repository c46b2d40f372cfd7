"""Corrected records as examples in a prompt: what analysts coded themselves, and is like the record to be coded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.corrections import Lessons, LessonsCatalogue, NearestLessons, Teaching
from domain.ports import Anonymiser
from domain.privacy.kinds import Kind
from domain.prompts.envelope import block, bounded, escape
from domain.prompts.instructions import Instructions, addition
from schemas.records import FeedbackRecordSubmitted

TAG = "corrected_example"
MAX_EXAMPLE_CHARACTERS = 600
"""Of one example, at about 4 characters a token: what people came for stands in their first sentences."""
_PLACEHOLDER = re.compile(r"\[(" + "|".join(Kind) + r")_\d{1,9}\]")


@dataclass(frozen=True, slots=True)
class Example:
    """A corrected record that a model may see.

    Attributes:
        content: how the record begins, anonymised.
        code_ids: the codes that are right for it; none where no code fits.
    """

    content: str = field(repr=False)
    code_ids: tuple[str, ...]


def explanation() -> Instructions:
    """What a model is told about examples, where there are any."""
    return addition("assign_codes.examples")


def rendered(examples: Sequence[Example], positions: Mapping[str, str]) -> str:
    """The examples in their envelopes, the least alike first, so that the best stands next to the record.

    Args:
        examples: the most alike first.
        positions: the position of each code by its own id; codes without one are left out, and an example without any
            other.
    """
    parts = []
    for example in reversed(examples):
        known = [positions[code] for code in example.code_ids if code in positions]
        if known or not example.code_ids:
            codes = " ".join(known) or "none"
            content = escape(bounded(example.content))
            parts.append(block(TAG, content, f' codes="{codes}"'))
    return "\n".join(parts)


class Examples:
    """Picks the examples for a record from its tenant's lessons.

    Args:
        nearest: finds lessons that are like a record.
        anonymiser: takes personal data out of them; None: they are shown as they stand.
        count: how many are shown, at most.
    """

    def __init__(self, nearest: NearestLessons, anonymiser: Anonymiser | None, count: int) -> None:
        self._nearest, self._anonymiser, self._count = nearest, anonymiser, count

    async def of(self, record: FeedbackRecordSubmitted, lessons: Lessons) -> tuple[Example, ...]:
        """The lessons that are most like a record, the most alike first.

        They are anonymised apart from the record and their placeholders have no numbers, so that none of a model's
        answers about this record can be restored to what stood in another. They are cut after that: half of a number
        is not recognised.
        """
        found = await self._nearest.nearest(record.content, record.record_id, lessons, self._count)
        texts: Sequence[str] = [lesson.content for lesson in found]
        if self._anonymiser is not None and texts:
            texts = [_PLACEHOLDER.sub(r"[\1]", text) for text in (await self._anonymiser.anonymise(texts)).texts]
        return tuple(Example(_beginning(text), lesson.code_ids) for text, lesson in zip(texts, found, strict=True))


@dataclass(frozen=True, slots=True)
class Guidance:
    """What the coding of one record takes from corrections; see `assign_codes.prompt`."""

    lessons: Lessons | None = None
    examples: tuple[Example, ...] = ()


class Guide:
    """Knows what a record's coding takes from its own tenant's corrections; nothing, where nothing is given.

    Args:
        catalogue: the lessons.
        examples: picks those that are shown; None: none are.
        learn: whether models that learn may learn from the lessons.
    """

    def __init__(
        self, catalogue: LessonsCatalogue | None = None, examples: Examples | None = None, *, learn: bool = True
    ) -> None:
        self._catalogue, self._examples, self._learn = catalogue, examples, learn

    async def guidance(self, record: FeedbackRecordSubmitted) -> Guidance:
        """For a record as the model will see it, anonymised."""
        lessons = self._catalogue.find(record.tenant_id, record.framework_id or "") if self._catalogue else None
        if lessons is None:
            return Guidance()
        examples = await self._examples.of(record, lessons) if self._examples else ()
        return Guidance(lessons if self._learn else None, examples)


def teaching(lessons: Lessons | None, positions: Mapping[str, str]) -> Teaching | None:
    """Lessons as a prompt carries them; None where there are none."""
    return Teaching(lessons, positions) if lessons and lessons.lessons else None


def _beginning(content: str) -> str:
    if len(content) <= MAX_EXAMPLE_CHARACTERS:
        return content
    return content[:MAX_EXAMPLE_CHARACTERS].rpartition(" ")[0] or content[:MAX_EXAMPLE_CHARACTERS]
