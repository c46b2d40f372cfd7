"""A summary over many records as work: themes by frequency, with the records behind each.

Which records are behind a theme is kept by us, by their positions: a model only says which of the numbers that it saw
go together. So no record is invented, and none that was read is lost: what no theme holds is listed as such.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from domain.errors import TooLargeError
from domain.llm.tokens import estimated
from domain.operations.answers import Made
from domain.operations.many import themes
from domain.operations.many.choosing import ask_once, in_one_prompt
from domain.operations.many.chunks import Chunk, chunks_of
from domain.operations.many.limits import MAX_ID_BYTES, Limits
from domain.operations.many.mapping import Mapped, Question, read_chunks
from domain.operations.many.progress import Progress
from domain.operations.many.themes import Overview, Theme
from domain.operations.many.tree import FEWEST, Tree
from domain.operations.many.trend import PastCodings, known_codes
from domain.operations.work import Found, Steps
from domain.sizes import bytes_in_json
from schemas.requests import SummaryRequested
from schemas.results import ExcludedChunk, RecordsSummarized
from schemas.results import Theme as TellableTheme

MOST_RECORDS = 400
"""Of one prompt: the answer names each by its number, and has an end."""
MAX_THEMES = 50


@dataclass(frozen=True, slots=True)
class Summary:
    """What the result is made of.

    Attributes:
        themes: in any order.
        records: positions of the records that were read.
        chunks: how many there are; 0 where the request was answered in one prompt.
    """

    title: str = field(repr=False)
    themes: Sequence[Theme]
    records: Sequence[int]
    chunks: int = 0
    excluded: tuple[ExcludedChunk, ...] = ()
    excluded_left_out: int = 0


@dataclass(frozen=True, slots=True)
class SummaryOfMany:
    """Summarises the records of a request.

    Attributes:
        request: the whole request, all its parts put together.
        limits: how much goes into one prompt, how much is asked at once.
        codings: what we have coded before, for the order of chunks; None: only metadata counts.
    """

    request: SummaryRequested
    limits: Limits
    codings: PastCodings | None = None

    async def run(self, steps: Steps) -> Found:
        """See `Work`.

        Raises:
            TooLargeError: it asks for a single pass and its records do not fit, no model takes any chunk, or the
                result's ids fit on no topic.
        """
        request = self.request
        _check_ids(request)
        if not in_one_prompt(request, self.limits, steps, themes.prompt(request, ()), MOST_RECORDS):
            return await self._in_chunks(steps)
        asked = themes.prompt(request, request.records)
        answer = await ask_once(request, steps, asked, partial(themes.parse, records=len(request.records)))
        positions = range(len(request.records))
        summary = Summary(answer.value.title, _of_records(answer.value, positions), positions)
        return Found(partial(result, request, summary), answer.model, asked.version)

    async def _in_chunks(self, steps: Steps) -> Found:
        request, limits = self.request, self.limits
        codes = await known_codes(request.tenant_id, request.records, self.codings)
        budget = limits.budget(steps.room_for(themes.prompt(request, ())))
        chunks = chunks_of(request.records, budget, codes.ids(), MOST_RECORDS)
        positions = {record.record_id: position for position, record in enumerate(request.records)}
        progress = Progress(steps, request, limits.progress_seconds)
        question = Question(lambda chunk: themes.prompt(request, chunk.records), themes.parse)
        mapped = await read_chunks(steps, chunks, question, limits, progress)
        room = steps.room_for(themes.merge_prompt(request, ()))
        merging = _Merging(request, steps, room // FEWEST)
        tree = Tree(
            size=lambda theme: estimated(themes.envelope(theme, most_tokens=merging.most_tokens) + "\n"),
            budget=limits.budget(room),
            room=room,
            merge=merging.merge,
            at_once=limits.calls_at_once,
            level=progress.reducing,
            merged=progress.reduced,
            shortened=_most_frequent,
        )
        merged = await tree.reduce(_found(mapped, positions))
        read = [positions[record.record_id] for one in mapped.read for record in one.chunk.records]
        summary = Summary(merging.title, merged, read, len(chunks), mapped.excluded, mapped.excluded_left_out)
        return Found(partial(result, request, summary), merging.model, merging.version)


@dataclass(slots=True)
class _Merging:
    """Puts themes together, and remembers what the last answer said of the whole.

    Attributes:
        most_tokens: of one theme in a prompt, so that two fit.
    """

    request: SummaryRequested
    steps: Steps
    most_tokens: int
    title: str = field(default="", repr=False)
    model: str = ""
    version: str = ""

    async def merge(self, group: Sequence[Theme], last: bool) -> list[Theme]:
        """The merged themes, and those that the model left alone."""
        asked = themes.merge_prompt(self.request, group, self.most_tokens)
        answer = await self.steps.ask(asked, partial(themes.parse_merge, themes=len(group)))
        if last:
            self.title, self.model, self.version = answer.value.title, answer.model, asked.version
        return _merged(answer.value, group)


def _most_frequent(found: list[Theme], most: int) -> list[Theme]:
    """So many of the themes, in their order: the records of the others are listed among those behind no theme."""
    kept = {id(theme) for theme in _by_frequency(found)[:most]}
    return [theme for theme in found if id(theme) in kept]


def _merged(overview: Overview, group: Sequence[Theme]) -> list[Theme]:
    named = {number for theme in overview.themes for number in theme.members}
    merged = [
        Theme(theme.title, theme.summary, _union(group[number - 1].records for number in theme.members))
        for theme in overview.themes
    ]
    return merged + [theme for number, theme in enumerate(group, 1) if number not in named]


def _found(mapped: Mapped[Overview], positions: dict[str, int]) -> list[Theme]:
    """The themes of all chunks, the numbers of records in their prompts turned into positions in the request."""
    return [theme for one in mapped.read for theme in _of_records(one.found, _positions(one.chunk, positions))]


def _positions(chunk: Chunk, positions: dict[str, int]) -> list[int]:
    return [positions[record.record_id] for record in chunk.records]


def _of_records(overview: Overview, positions: Sequence[int]) -> list[Theme]:
    return [
        Theme(theme.title, theme.summary, _union([[positions[number - 1] for number in theme.members]]))
        for theme in overview.themes
    ]


def _union(groups: Iterable[Iterable[int]]) -> tuple[int, ...]:
    return tuple(sorted({position for group in groups for position in group}))


def _by_frequency(found: Iterable[Theme]) -> list[Theme]:
    return sorted(found, key=lambda theme: (-len(theme.records), theme.records, theme.title))


def _check_ids(request: SummaryRequested) -> None:
    size = sum(map(_bytes_of, (record.record_id for record in request.records)))
    if size > MAX_ID_BYTES:
        raise TooLargeError(
            f"The ids of the request's {len(request.records)} records take {size} bytes, and the summary, which names "
            f"each of them, may take {MAX_ID_BYTES} for them: ask with fewer records, or with shorter ids."
        )


def _bytes_of(record_id: str) -> int:
    return bytes_in_json(record_id) + 1  # with its comma


def _once(listed: Sequence[Theme]) -> list[tuple[int, ...]]:
    """The records of each theme that stand under none before it."""
    placed: set[int] = set()
    own = []
    for theme in listed:
        own.append(tuple(position for position in theme.records if position not in placed))
        placed.update(theme.records)
    return own


def result(request: SummaryRequested, summary: Summary, made: Made) -> RecordsSummarized:
    """The event: the 50 most frequent themes, and the records behind none of them.

    Where a record's id does not fit under all its themes, it stands under the most frequent of them alone: each id fits
    once, see `_check_ids`. A theme's count tells of all its records.
    """
    ids = [record.record_id for record in request.records]
    listed = _by_frequency(summary.themes)[:MAX_THEMES]
    behind = {position for theme in listed for position in theme.records}
    others = sorted(set(summary.records) - behind)
    positions = [theme.records for theme in listed]
    elsewhere = sum(_bytes_of(record_id) for chunk in summary.excluded for record_id in chunk.record_ids)
    if elsewhere + sum(_bytes_of(ids[position]) for some in (*positions, others) for position in some) > MAX_ID_BYTES:
        positions = _once(listed)
    return RecordsSummarized(
        **made.fields(),
        tenant_id=request.tenant_id,
        request_id=request.request_id,
        title=made.restore(summary.title),
        themes=tuple(
            TellableTheme(
                title=made.restore(theme.title),
                summary=made.restore(theme.summary),
                record_ids=tuple(ids[position] for position in shown),
                count=len(theme.records),
            )
            for theme, shown in zip(listed, positions, strict=True)
        ),
        other_record_ids=tuple(ids[position] for position in others),
        mode="hierarchical" if summary.chunks else "single_pass",
        chunks=summary.chunks or 1,
        excluded=summary.excluded,
        excluded_left_out=summary.excluded_left_out,
        records_given=len(ids),
        records_used=len(summary.records),
        coverage=len(summary.records) / len(ids),
    )
