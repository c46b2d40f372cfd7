"""Summarising a feedback record: a title and a few bullets.

The prompt asks for a title of 3 to 5 words and 3 to 5 bullets, fewer where the record says less. A title that is a
little longer is taken all the same, as to ask again would cost a call and mend nothing that matters.
"""

import re
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
CHARACTERS_OF_A_WORD = 5
"""Scripts without spaces between words: about so many characters make a word in Thai, fewer in Chinese."""
_UNSPACED = re.compile(
    "[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u109f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
    "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+"  # Japanese, Chinese
)
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
    if len(title) > MAX_TITLE_CHARACTERS or _words(title) > MAX_TITLE_WORDS:
        raise InvalidOutputError(f'"title" has more than {MAX_TITLE_WORDS} words or {MAX_TITLE_CHARACTERS} characters.')
    given = answer.get("bullets")
    bullets = tuple(plain_text(bullet, MAX_BULLET_CHARACTERS) for bullet in given) if isinstance(given, list) else ()
    if not 1 <= len(bullets) <= MAX_BULLETS or not all(bullets):
        raise InvalidOutputError(f'"bullets" is not a list of 1 to {MAX_BULLETS} sentences.')
    return Summary(title, bullets)


def _words(title: str) -> int:
    """How many words a title has, about: runs in a script without spaces count by their length."""
    unspaced = sum(map(len, _UNSPACED.findall(title)))
    return len(_UNSPACED.sub(" ", title).split()) + -(-unspaced // CHARACTERS_OF_A_WORD)


def result(record: FeedbackRecordSubmitted, summary: Summary, made: Made) -> RecordSummarized:
    """The event."""
    return RecordSummarized(
        **made.fields(),
        tenant_id=record.tenant_id,
        record_id=record.record_id,
        title=made.restore(summary.title),
        bullets=tuple(map(made.restore, summary.bullets)),
    )
