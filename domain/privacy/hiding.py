"""Hiding what is personal in an input, before any prompt is made of it."""

from typing import TypeVar

from domain.ports import Anonymiser
from domain.privacy.anonymised import Anonymised, untouched
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import AnalysisRequested, SummaryRequested

Request = TypeVar("Request", AnalysisRequested, SummaryRequested)


class Hiding:
    """Replaces the texts of records in inputs, and nothing else of them.

    Args:
        anonymiser: finds what is personal; None: nothing is hidden.
    """

    def __init__(self, anonymiser: Anonymiser | None = None) -> None:
        self._anonymiser = anonymiser

    async def of_record(self, record: FeedbackRecordSubmitted) -> tuple[FeedbackRecordSubmitted, Anonymised]:
        """The record as a model may see it, and the way back."""
        if self._anonymiser is None:
            return record, untouched([record.content])
        hidden = await self._anonymiser.anonymise([record.content], record.language)
        return record.model_copy(update={"content": hidden.texts[0]}), hidden

    async def of_request(self, request: Request) -> tuple[Request, Anonymised]:
        """The request as a model may see it, and the way back.

        All its records go together, so that a placeholder means the same in all of them, and nothing else in any.
        """
        texts = [record.content for record in request.records]
        if self._anonymiser is None:
            return request, untouched(texts)
        hidden = await self._anonymiser.anonymise(texts)
        records = tuple(
            record.model_copy(update={"content": text})
            for record, text in zip(request.records, hidden.texts, strict=True)
        )
        return request.model_copy(update={"records": records}), hidden
