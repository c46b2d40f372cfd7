"""How a record is coded: with how much of its framework, alone or together with others."""

from collections.abc import Sequence
from functools import partial

from domain.corrections import Lessons
from domain.delivery.batching import Batches
from domain.delivery.settings import DeliverySettings
from domain.operations import questions
from domain.operations.corrected_examples import Example
from domain.operations.narrowing import Likeness, Narrower
from domain.operations.outline import Outlines
from domain.operations.work import Work
from schemas.frameworks import CodingFramework
from schemas.records import FeedbackRecordSubmitted


class Codings:
    """Makes ready the codings of records.

    Args:
        likeness: narrows frameworks that are too large for a prompt; None: they are shown whole.
    """

    def __init__(self, settings: DeliverySettings, likeness: Likeness | None = None) -> None:
        budget = settings.framework_token_budget
        self._outlines = Outlines(budget)
        self._narrower = Narrower(likeness, budget) if likeness is not None else None
        self._batches = Batches(settings.coding_batch, settings.coding_batch_wait_seconds)

    async def work(
        self,
        record: FeedbackRecordSubmitted,
        framework: CodingFramework,
        lessons: Lessons | None = None,
        examples: Sequence[Example] = (),
    ) -> Work:
        """The coding of a record, anonymised already.

        What is shown for one record only, a part of its framework or examples, is not shared with others: such a record
        is coded alone.

        Args:
            lessons, examples: see `assign_codes.prompt`.
        """
        outline = self._outlines.of(framework)
        if self._narrower is not None:
            outline = await self._narrower.narrowed(outline, record.content)
        alone = partial(questions.coding, record, outline, lessons, examples)
        if examples or outline.narrowed is not None:
            return alone()
        return self._batches.work(record, outline, lessons, alone)
