"""What is learned before the first record is asked about: corrections of a file, and a part of the labelled records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from domain.corrections import LessonBook, Teaching
from domain.delivery.decoding import read_event
from domain.errors import InputError, UserError
from runtime.evaluation.choosing import random_part
from runtime.evaluation.labels import Labelled
from runtime.job.records_file import FileRecord
from runtime.job.wording import listed
from runtime.settings import Settings
from runtime.wiring.corrections import models_learn
from schemas.base import shown
from schemas.corrections import MAX_CORRECTED_CODES, CodesCorrected
from schemas.frameworks import CodingFramework
from schemas.records import MAX_CONTENT_CHARACTERS

_ONE_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""When labels were made nobody says; each record has one correction, so that none is later than another."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A correction, and what of it tells whether it is about a record of the evaluation.

    Attributes:
        correction: under a record id that no record of the evaluation has there: these go by the numbers of their
            lines, and none shall be taken for the record that was corrected.
        record_id: the record's own id.
    """

    correction: CodesCorrected
    record_id: str

    @property
    def text(self) -> tuple[str, str]:
        """Whose text it is, and the text."""
        return self.correction.tenant_id, (self.correction.content or "").strip()


def read_corrections(path: Path, published_ids: Mapping[tuple[str, str], str]) -> tuple[list[Lesson], list[str]]:
    """The file's lines as `feedback.corrections` carries them; and what a person should know, a line each.

    A line that is no correction is left out and named, as a worker leaves out what is none on the topic.

    Args:
        path: JSON Lines.
        published_ids: as `runtime.job.task.Inputs` has them: a correction may name its framework as the file is named.

    Raises:
        UserError: the file cannot be read, holds nothing, or no line is a correction.
    """
    found: list[CodesCorrected] = []
    bad: dict[int, str] = {}
    for line, value in _lines(path):
        try:
            found.append(read_event(value, CodesCorrected))
        except InputError as error:
            bad[line] = error.message
    if not found:
        raise _no_corrections(path, bad)
    lessons = [
        Lesson(one.model_copy(update={"record_id": f"corrected {one.record_id}", **renamed}), one.record_id)
        for one in found
        for renamed in [_published(one, published_ids)]
    ]
    return lessons, [_left_out(path, bad, len(found) + len(bad))] if bad else []


def refuse_those_of(lessons: Iterable[Lesson], records: Sequence[FileRecord], path: Path) -> None:
    """See that none of the file's records would be asked about with its own answer learned.

    Raises:
        UserError: some would be.
    """
    there = {(record.tenant_id, record.record_id): record.line for record in records}
    both = [lesson for lesson in lessons if (lesson.correction.tenant_id, lesson.record_id) in there]
    if not both:
        return
    ids = dict.fromkeys((one.correction.tenant_id, one.record_id) for one in both)
    first = next(iter(ids))
    raise UserError(
        f"{len(ids):,} of the corrected records are in {path} as well, so that their answers would be known (the first "
        f"is {shown(first[1])} on line {there[first]}).",
        "Take them out of one of the two files, or leave --corrections and give --learn-share.",
    )


def learn_share_of(records: Sequence[Labelled], share: float, seed: int) -> tuple[list[Lesson], list[Labelled]]:
    """A random part of the records as corrections, and the other records.

    Raises:
        UserError: one of the two would be empty.
    """
    learned = random_part(records, round(share * len(records)), seed)
    lines = {one.record.line for one in learned}
    rest = [one for one in records if one.record.line not in lines]
    if not learned or not rest:
        raise UserError(
            f"{len(records):,} records cannot be parted by --learn-share {share:g}.",
            "Give more records, or another share.",
        )
    return list(_as_lessons(learned)), rest


def without_texts_of(lessons: Iterable[Lesson], records: Sequence[Labelled]) -> list[Labelled]:
    """The records whose text no lesson has, under whatever id."""
    known = {lesson.text for lesson in lessons}
    return [one for one in records if (one.record.tenant_id, str(one.record.payload["content"]).strip()) not in known]


@dataclass(frozen=True, slots=True)
class Book:
    """The lessons, in the very book that a worker keeps.

    Attributes:
        lessons: None where nothing is to be learned.
        count: the corrected records that teach something.
        notices: a line for each thing that a person may not expect.
    """

    lessons: LessonBook | None
    count: int
    notices: list[str]


NO_BOOK = Book(None, 0, [])


def book_of(settings: Settings, lessons: Sequence[Lesson], frameworks: Sequence[CodingFramework]) -> Book:
    """What the model can learn.

    Args:
        settings: with the one model.
        lessons: all of them.
        frameworks: those of the evaluation.

    Raises:
        UserError: no correction is of one of these frameworks, carries a content and teaches something.
    """
    if not lessons:
        return NO_BOOK
    book = LessonBook()
    for lesson in lessons:
        book.take(lesson.correction)
    teachings = [found for framework in frameworks if (found := _teaching_of(book, framework)) is not None]
    if not teachings:
        raise UserError(
            f"None of {len(lessons):,} corrections can be learned from: none is of a framework of the records and "
            "carries a content.",
            "Let their tenant_id and framework_id be those of --framework (its framework_id, else the file's name), "
            "and give them the records' `content`.",
        )
    if not models_learn(settings) and not settings.corrected_examples:
        notice = (
            f"Nothing is learned from the corrections, as {settings.llm_model} does not learn by itself here and "
            "CORRECTED_EXAMPLES is 0: these are the figures without them."
        )
        return Book(None, 0, [notice])
    without_code = sum(teaching.without_code() for teaching in teachings)
    shown_too = 0 if models_learn(settings) else without_code  # an example may well say that no code fits
    count = sum(1 for teaching in teachings for _ in teaching.coded()) + shown_too
    teaches_nothing = _about_nothing_taught(lessons, frameworks, teachings, without_code - shown_too)
    if not count:
        raise UserError(
            f"None of {len(lessons):,} corrections teaches anything: {' '.join(teaches_nothing)}",
            "Give corrections with the ids of codes of --framework.",
        )
    return Book(book, count, teaches_nothing)


def _teaching_of(book: LessonBook, framework: CodingFramework) -> Teaching | None:
    lessons = book.find(framework.tenant_id, framework.framework_id)
    if lessons is None:
        return None
    return Teaching(lessons, {path[-1].id: path[-1].id for path in framework.paths()})


def _about_nothing_taught(
    lessons: Sequence[Lesson], frameworks: Sequence[CodingFramework], teachings: Sequence[Teaching], without_code: int
) -> list[str]:
    """A line for each reason for which corrections teach nothing."""
    keys = {(one.tenant_id, one.framework_id) for one in frameworks}
    others = sum((one.correction.tenant_id, one.correction.framework_id) not in keys for one in lessons)
    unknown = list(dict.fromkeys(code for teaching in teachings for code in teaching.unknown()))
    kinds = (
        (others, f"{others:,} of {len(lessons):,} corrections are of other frameworks and teach nothing here."),
        (without_code, f"That no code fits, as {without_code:,} of {len(lessons):,} corrections say, teaches nothing."),
        (len(unknown), f"Codes of corrections that their framework does not have teach nothing: {listed(unknown)}."),
    )
    return [line for count, line in kinds if count]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, each with its number, from 1."""
    try:
        with path.open("rb") as file:
            yield from ((line, value) for line, value in enumerate(file, start=1) if value.strip())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the path and your rights to it.") from None


def _no_corrections(path: Path, bad: Mapping[int, str]) -> UserError:
    if not bad:
        return UserError(f"{path} holds no corrections.", "Give a file with one CodesCorrected event per line.")
    line, problem = next(iter(bad.items()))
    told = f"None of the {len(bad):,} lines of {path} is a correction; line {line}: {problem}"
    return UserError(
        f"Line {line} of {path} is no correction: {problem}" if len(bad) == 1 else told,
        "Give CodesCorrected events as `feedback.corrections` carries them, one JSON object per line.",
    )


def _left_out(path: Path, bad: Mapping[int, str], lines: int) -> str:
    line, problem = next(iter(bad.items()))
    which = "line" if len(bad) == 1 else "lines"
    are = "is no correction and is" if len(bad) == 1 else "are no corrections and are"
    numbers = listed([str(number) for number in bad])
    return f"{len(bad):,} of {lines:,} lines of {path} {are} left out ({which} {numbers}); line {line}: {problem}"


def _published(one: CodesCorrected, published_ids: Mapping[tuple[str, str], str]) -> dict[str, str]:
    return {"framework_id": published_ids.get((one.tenant_id, one.framework_id), one.framework_id)}


def _as_lessons(records: Iterable[Labelled]) -> Iterator[Lesson]:
    for one in records:
        record, content = one.record, str(one.record.payload["content"])
        if one.right is None or not content.strip() or len(content) > MAX_CONTENT_CHARACTERS:
            continue  # an analyst could not correct it either
        correction = CodesCorrected(
            tenant_id=record.tenant_id,
            record_id=f"line {record.line}",
            framework_id=str(record.payload["framework_id"]),
            code_ids=tuple(path[-1] for path in one.right[:MAX_CORRECTED_CODES]),
            content=content,
            corrected_at=_ONE_MOMENT,
        )
        yield Lesson(correction, record.record_id)
