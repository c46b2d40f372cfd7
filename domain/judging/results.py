"""Results as inputs: which of them are judged, and what they were made from."""

import asyncio
from collections.abc import Sequence
from functools import partial

from domain.delivery.decoding import decode, read_event
from domain.delivery.inputs import Assignment
from domain.delivery.job import Job
from domain.delivery.messages import InboundMessage
from domain.delivery.pauses import NOBODY, Pauses
from domain.errors import InputError
from domain.judging.sampling import chosen
from domain.judging.settings import JudgingSettings, JudgingTally
from domain.operations import judge
from domain.operations.questions import Question
from domain.operations.retelling import kind_of, retold
from domain.operations.work import Work
from domain.ports import Anonymiser, PastMessages
from domain.privacy.anonymised import Anonymised, untouched
from schemas.operations import Operation
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import MAX_PARTS
from schemas.results import (
    AnalysisCompleted,
    CodesAssigned,
    RecordsSummarized,
    RecordSummarized,
    Result,
    SensitivityDetected,
)
from schemas.topics import RECORDS, REQUESTS

_KINDS: dict[bytes, type[Result]] = {
    kind.ce_type.encode(): kind
    for kind in (CodesAssigned, RecordSummarized, RecordsSummarized, SensitivityDetected, AnalysisCompleted)
}

_INPUTS = (RECORDS.name, REQUESTS.name)

_Told = tuple[str, str | None]
"""A record's content, and the language that was stated for it."""


class _TooLongError(Exception):
    """A result and its records are more than one question may hold."""


class Results:
    """Fulfils `Inputs` for the topics of results.

    What is no result (word of progress) or not among the sample asks for nothing. Neither does a result of which the
    records are gone, or too long for one question, or whose tenant has spent a budget: that is counted, and harms
    nobody.

    Args:
        past: the inputs that results were made from.
        settings: how many are judged.
        tally: where those are counted that are not judged.
        anonymiser: hides personal data from the judge; None: nothing is hidden.
        pauses: whose results are not to be judged now.
    """

    def __init__(
        self,
        past: PastMessages,
        settings: JudgingSettings,
        tally: JudgingTally | None = None,
        anonymiser: Anonymiser | None = None,
        pauses: Pauses = NOBODY,
    ) -> None:
        self._past = past
        self._settings = settings
        self._tally = tally or JudgingTally()
        self._anonymiser = anonymiser
        self._pauses = pauses

    async def read(self, job: Job) -> None:
        """See `Inputs`."""
        kind = _KINDS.get(next((value or b"" for name, value in job.message.headers if name == "ce_type"), b""))
        if kind is None:
            return
        result = read_event(job.message.value, kind)
        if chosen(result.result_id, self._settings.share):
            job.event = result
        else:
            self._tally.left_out += 1

    def assignments(self, job: Job) -> Sequence[Assignment]:
        """See `Inputs`."""
        if not isinstance(job.event, Result):
            return ()
        return (Assignment(Operation.JUDGE, partial(self._judging, job.event)),)

    async def _judging(self, result: Result) -> Work | None:
        if self._pauses.is_paused(result.tenant_id, Operation.JUDGE.value):
            self._tally.paused += 1
            return None
        said = retold(result)
        try:
            records = await self._records(result, self._settings.max_characters - len(said))
        except _TooLongError:
            self._tally.too_long += 1
            return None
        if records is None:
            self._tally.without_records += 1
            return None
        hidden = await self._hidden(said, records)
        prompt = judge.prompt(kind_of(result), hidden.hide(hidden.texts[0]), hidden.texts[1:])
        return Question(prompt, judge.parse, partial(judge.result, result))

    async def _hidden(self, said: str, records: Sequence[_Told]) -> Anonymised:
        """What was said, then the records: the judge is shown no more of them than the worker's model was."""
        texts, stated = [said], [records[0][1] if len(records) == 1 else None]
        for content, language in records:
            texts.append(content)
            stated.append(language)
        return untouched(texts) if self._anonymiser is None else await self._anonymiser.anonymise(texts, stated)

    async def _records(self, result: Result, room: int) -> list[_Told] | None:
        """The records behind a result; None where they are gone.

        Raises:
            _TooLongError: they have more characters than there is room for, or stand in more messages than any request.
        """
        if room < 0:
            raise _TooLongError
        sources = {(source.topic, source.partition, source.offset): source for source in result.inputs}.values()
        # Anybody who may write results may name any topic: one that we may not read, or a name that Kafka refuses.
        if any(source.topic not in _INPUTS for source in sources):
            return None
        if len(sources) > MAX_PARTS:
            raise _TooLongError
        records: list[_Told] = []
        for source in sources:
            message = await self._past.at(source)
            found = _records_in(message, result) if message is not None else None
            if found is None:
                return None
            records += found
            room -= sum(len(content) for content, _ in found)
            if room < 0:  # at once: what else there is may be as much as memory holds
                raise _TooLongError
            await asyncio.sleep(0)  # a message may take long to decode, and others wait
        return records or None


def _records_in(message: InboundMessage, result: Result) -> list[_Told] | None:
    """What the records of a message say; None where it is not what the result was made from.

    A topic may have been made anew: another message may stand there now.
    """
    try:
        event = decode(message)
    except InputError:
        return None
    if event.tenant_id != result.tenant_id:
        return None
    if isinstance(event, FeedbackRecordSubmitted):
        return [(event.content, event.language)] if event.record_id == getattr(result, "record_id", None) else None
    if event.request_id != getattr(result, "request_id", None):
        return None
    return [(record.content, None) for record in event.records]
