"""Summarising a feedback record: a title and a few bullets."""

from dataclasses import dataclass, field

from domain.errors import InvalidOutputError
from domain.llm.calls import Prompt
from domain.operations.answers import Made, json_object, plain_text
from domain.prompts.envelope import feedback_record, options
from domain.prompts.instructions import instructions_for
from schemas.operations import Operation
from schemas.records import FeedbackRecordSubmitted
from schemas.results import RecordSummarized

MAX_OUTPUT_TOKENS = 2048
MAX_TITLE_WORDS = 12
MAX_TITLE_CHARACTERS = 120
MAX_BULLETS = 5
MAX_BULLET_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Summary:
    """What a model answered: a title and 1 to 5 bullets."""

    title: str = field(repr=False)
    bullets: tuple[str, ...] = field(repr=False)


def prompt(record: FeedbackRecordSubmitted) -> Prompt:
    """Ask for the summary of one record."""
    instructions = instructions_for(Operation.SUMMARIZE)
    return Prompt(
        operation=Operation.SUMMARIZE.value,
        version=instructions.version,
        system=instructions.text + options({"output_language": record.output_language}),
        user=feedback_record(record.content),
        max_output_tokens=MAX_OUTPUT_TOKENS,
    )


def parse(text: str) -> Summary:
    """Understand a model's answer.

    Raises:
        InvalidOutputError: no JSON object, a title or bullets that are missing, blank or too many.
    """
    answer = json_object(text)
    title = plain_text(answer.get("title"), MAX_TITLE_CHARACTERS + 1)
    if not title:
        raise InvalidOutputError('"title" is missing or blank.')
    if len(title) > MAX_TITLE_CHARACTERS or len(title.split()) > MAX_TITLE_WORDS:
        raise InvalidOutputError(f'"title" has more than {MAX_TITLE_WORDS} words or {MAX_TITLE_CHARACTERS} characters.')
    given = answer.get("bullets")
    bullets = tuple(plain_text(bullet, MAX_BULLET_CHARACTERS) for bullet in given) if isinstance(given, list) else ()
    if not 1 <= len(bullets) <= MAX_BULLETS or not all(bullets):
        raise InvalidOutputError(f'"bullets" is not a list of 1 to {MAX_BULLETS} sentences.')
    return Summary(title, bullets)


def result(record: FeedbackRecordSubmitted, summary: Summary, made: Made) -> RecordSummarized:
    """The event."""
    return RecordSummarized(
        **made.fields(),
        tenant_id=record.tenant_id,
        record_id=record.record_id,
        title=made.restore(summary.title),
        bullets=tuple(map(made.restore, summary.bullets)),
    )
