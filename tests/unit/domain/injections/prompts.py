"""All prompts of the product, made of one text, and what their messages are made of."""

import re
from functools import partial
from html import unescape

from domain.operations import analyze, assign_codes, detect_sensitive, judge, summarize
from domain.operations.answers import plain_text, shown_text
from domain.operations.coding_batch import Batch
from domain.operations.corrected_examples import Example
from domain.operations.many import hierarchical, themes
from domain.operations.many.chunks import Chunk
from domain.operations.many.hierarchical import Findings
from domain.operations.many.themes import Theme
from domain.operations.narrowing import Narrower
from domain.operations.outline import outline_of
from domain.operations.retelling import kind_of, retold
from domain.prompts.envelope import bounded
from schemas.results import (
    AnalysisCompleted,
    AssignedCode,
    CodesAssigned,
    PathStep,
    RecordsSummarized,
    RecordSummarized,
    SensitiveFinding,
    SensitivityDetected,
)
from schemas.results import Theme as TellableTheme
from tests.builders import TENANT, a_framework, a_record, a_summary_request, an_analysis_request
from tests.unit.domain.operations.many.support import MADE

ORDINARY = "The water point near the school has been dry."
ANOTHER = "Thanks for the blankets!"
FRAMEWORK = a_framework()
OUTLINE = outline_of(FRAMEWORK)
CODES = {path[-1].id for path in OUTLINE.paths.values()}


def narrowed(framework=FRAMEWORK):
    """The outline of a framework that is too large for its prompt."""
    whole = outline_of(framework, token_budget=1)
    return Narrower(None, 1).by(whole, [1.0, *[0.0] * (len(whole.paths) - 1)])


NARROWED = narrowed()


def batch(*contents, outline=OUTLINE, **fields):
    """Records r0, r1, ... that are coded together; `fields` are of each."""
    own = [a_record(content=content, **{"record_id": f"r{n}", **fields}) for n, content in enumerate(contents)]
    return Batch.of(own, outline, None)


def analysis(content=ORDINARY, metadata=None, record_id="a", **fields):
    own = [{"record_id": record_id, "content": content, "metadata": metadata}, {"record_id": "b", "content": ANOTHER}]
    return an_analysis_request(records=own, **fields)


def summary_of_many(content=ORDINARY, metadata=None, record_id="a", **fields):
    own = [{"record_id": record_id, "content": content, "metadata": metadata}, {"record_id": "b", "content": ANOTHER}]
    return a_summary_request(records=own, **fields)


FINDINGS = (Findings("Four say it is dry.", 0.5, 4), Findings("Two say thanks.", 0.7, 2))
THEMES = (Theme("Dry taps", "No water comes.", (0, 2)), Theme("Praise", "People say thanks.", (1,)))
EXAMPLES = (Example("No water since May.", ("dry-water-point",)),)

OF_A_RECORD = {
    "assign_codes": lambda **fields: assign_codes.prompt(a_record(**fields), OUTLINE),
    "assign_codes, narrowed": lambda **fields: assign_codes.prompt(a_record(**fields), NARROWED),
    "assign_codes, examples": lambda **fields: assign_codes.prompt(a_record(**fields), OUTLINE, None, EXAMPLES),
    "summarize": lambda **fields: summarize.prompt(a_record(**fields)),
    "detect_sensitive": lambda **fields: detect_sensitive.prompt(a_record(**fields)),
    "assign_codes, first of a batch": lambda content=ORDINARY, **fields: batch(content, ANOTHER, **fields).prompt(),
    "assign_codes, last of a batch": lambda content=ORDINARY, **fields: batch(ANOTHER, content, **fields).prompt(),
}
"""Prompts of one record's fields."""


def _map_prompt(**fields):
    request = analysis(**fields)
    return hierarchical.map_prompt(request, Chunk(1, request.records))


def _themes_prompt(**fields):
    request = summary_of_many(**fields)
    return themes.prompt(request, request.records)


READING = {
    "analyze": lambda **fields: analyze.prompt(analysis(**fields)),
    "analyze, map": _map_prompt,
    "summarize_aggregate": _themes_prompt,
}
"""Prompts of a request's fields, its first record's content, id and metadata among them, that show records."""

REDUCING = {
    "analyze, reduce": lambda **fields: hierarchical.reduce_prompt(analysis(**fields), FINDINGS, last=False),
    "analyze, last reduce": lambda **fields: hierarchical.reduce_prompt(analysis(**fields), FINDINGS, last=True),
    "summarize_aggregate, merge": lambda **fields: themes.merge_prompt(summary_of_many(**fields), THEMES),
}
"""Prompts of the same fields that show what was found in records."""

INSTRUCTED = {name: ask for name, ask in {**READING, **REDUCING}.items() if name.startswith("analyze")}
"""Those that hold an analyst's question."""

RESULTS = {
    "coding": lambda text: CodesAssigned(
        **MADE.fields(),
        tenant_id=TENANT,
        record_id="record-1",
        framework_id=text[:255].replace("\x00", ""),
        framework_version="1",
        codes=(
            AssignedCode(
                code_id="9",
                path=(PathStep(id="9", name=text, confidence=1),),
                confidence=1,
                reason=text,
            ),
        ),
    ),
    "abstention": lambda text: CodesAssigned(
        **MADE.fields(),
        tenant_id=TENANT,
        record_id="record-1",
        framework_id="f",
        framework_version="1",
        codes=(),
        abstained_because=text,
    ),
    "summary": lambda text: RecordSummarized(
        **MADE.fields(), tenant_id=TENANT, record_id="record-1", title=text, bullets=(text, text)
    ),
    "screening": lambda text: SensitivityDetected(
        **MADE.fields(),
        tenant_id=TENANT,
        record_id="record-1",
        sensitive=True,
        findings=(SensitiveFinding(type="bribery", confidence=1, reason=text),),
    ),
    "analysis": lambda text: AnalysisCompleted(
        **MADE.fields(),
        tenant_id=TENANT,
        request_id="request-1",
        answer=text,
        confidence=1,
        disclaimer=text,
        records_given=1,
        records_used=1,
    ),
    "aggregate": lambda text: RecordsSummarized(
        **MADE.fields(),
        tenant_id=TENANT,
        request_id="request-1",
        title=text,
        themes=(TellableTheme(title=text, summary=text, record_ids=(text[:255].replace("\x00", ""),)),),
    ),
}
"""A result of each kind that says one text wherever it can; it may have been written by anybody."""


def _judging(result, content=ORDINARY):
    return judge.prompt(kind_of(result), retold(result), [content])


def _result(make):
    return lambda text: _judging(make(text)), lambda text: bounded(retold(make(text))), 1


def _example(text):
    return assign_codes.prompt(a_record(), OUTLINE, None, (Example(text, ("thanks",)), *EXAMPLES))


def _findings(last, text):
    found = Findings(shown_text(text), 0.5, 3)
    return hierarchical.reduce_prompt(analysis(), (FINDINGS[0], found), last=last)


def _title(text):
    return themes.merge_prompt(summary_of_many(), (Theme(plain_text(text, 120), "Dry.", (1,)), THEMES[1]))


def _summary(text):
    return themes.merge_prompt(summary_of_many(), (Theme("Dry", plain_text(text, 1000), (1,)), THEMES[1]))


_ENVELOPE_OF = {"assign_codes, examples": 1, "assign_codes, last of a batch": 1}


def _content(name, ask):
    # In a batch, placeholders are numbered anew: no two records have the same.
    kept = (lambda text: bounded(batch(text).texts[0])) if "batch" in name else bounded
    return lambda text: ask(content=text), kept, _ENVELOPE_OF.get(name, 0)


PLACES = {
    **{name: _content(name, ask) for name, ask in {**OF_A_RECORD, **READING}.items()},
    "corrected example": (_example, bounded, 1),
    "map answer in a reduce": (partial(_findings, False), shown_text, 1),
    "map answer in the last reduce": (partial(_findings, True), shown_text, 1),
    "theme's title in a merge": (_title, lambda text: f"{plain_text(text, 120)}\nDry.", 0),
    "theme's summary in a merge": (_summary, lambda text: f"Dry\n{plain_text(text, 1000)}", 0),
    "record before a judge": (lambda text: _judging(RESULTS["summary"]("Dry."), text), bounded, 0),
    "one of several before a judge": (
        lambda text: judge.prompt("analysis", "Dry.", [ORDINARY, text, ANOTHER]),
        bounded,
        1,
    ),
    **{f"{kind} before a judge": _result(make) for kind, make in RESULTS.items()},
}
"""Everywhere that foreign text is shown: how the prompt is made of it, what becomes of it, in which envelope it is."""

_ENVELOPE = r'<([a-z_]+)((?: [a-z]+="[\w. ]*")*)>\n([^<>]*)\n</\1>'
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e00ff]"
    "|[\u00ad\u034f\u061c\u180b-\u180f\u200c-\u200f\ufe00-\ufe0f\U000e0100-\U000e01ef]{3}"
)
"""Control characters, and whatever hides a text, said in another way than the code has it."""


def envelopes(user):
    """What a user message is made of: the tag, the attributes and the text, unescaped, of each envelope."""
    assert re.fullmatch(rf"{_ENVELOPE}(?:\n{_ENVELOPE.replace('1>', '4>')})*", user), (
        "envelopes, and nothing beside them"
    )
    return [(tag, about, unescape(text)) for tag, about, text in re.findall(_ENVELOPE, user)]


def shape(user):
    """The same without the texts, and without the checks that follow from them."""
    return [(tag, re.sub(' check="[^"]*"', "", about)) for tag, about, _ in envelopes(user)]


def tags(system):
    """All tags in a system message, those that the instructions speak of included."""
    return re.findall("<[^>]*>?|>", system)


def is_shown(text):
    """Whether nothing is hidden in a text."""
    return not _HIDDEN.search(text)


def is_clean(prompt):
    """Whether nothing is hidden in a prompt's messages."""
    return all(is_shown(message["content"]) for message in prompt.messages())
