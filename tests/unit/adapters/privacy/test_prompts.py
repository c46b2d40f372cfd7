"""What a model is shown of an anonymised record, on every way to it: never an original, however it is broken up."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.privacy.anonymiser import PatternAnonymiser
from adapters.privacy.factory import patterns
from adapters.privacy.language import LanguageDetector
from domain.corrections import Lesson, Lessons
from domain.operations import analyze, assign_codes, detect_sensitive, summarize
from domain.operations.coding_batch import Batch
from domain.operations.corrected_examples import Examples, rendered
from domain.operations.outline import outline_of
from domain.privacy.hiding import Hiding
from domain.unseen import CONTROLS, DEFAULT_IGNORABLE, without_unseen
from tests.builders import FRAMEWORK, TENANT, a_framework, a_record, an_analysis_request

ORIGINALS = ("0712345678", "+254712345678", "amina@example.org", "4111111111111111", "GB82WEST12345698765432")
PART_WORDS = frozenset(map(ord, "\t\n\v\f\r\x85"))
UNSEEN = st.sampled_from(sorted(map(chr, (CONTROLS | DEFAULT_IGNORABLE) - PART_WORDS)))
"""Line ends and tabs part words for everybody: an address with one in it is none."""


@pytest.fixture(scope="module", name="anonymiser")
def the_anonymiser() -> Iterator[PatternAnonymiser]:
    anonymiser = PatternAnonymiser(patterns(), LanguageDetector())
    yield anonymiser
    anonymiser.close()


@st.composite
def broken_up(draw: st.DrawFn) -> tuple[str, str]:
    """An original, and a text that holds it with characters between its own that nobody sees."""
    original = draw(st.sampled_from(ORIGINALS))
    between = draw(st.lists(st.text(UNSEEN, max_size=2), min_size=len(original) + 1, max_size=len(original) + 1))
    pieces = "".join(f"{character}{hidden}" for character, hidden in zip(original, between, strict=False))
    return original, f"Please write or call {between[-1]}{pieces} about the water."


def shown(prompt: str) -> str:
    return without_unseen(prompt)


@settings(deadline=None, max_examples=60)
@given(broken_up())
def test_no_prompt_of_one_record_holds_an_original(anonymiser: PatternAnonymiser, broken: tuple[str, str]):
    original, text = broken
    record, _ = asyncio.run(Hiding(anonymiser).of_record(a_record(content=text)))
    outline = outline_of(a_framework())
    prompts = [
        summarize.prompt(record),
        detect_sensitive.prompt(record),
        assign_codes.prompt(record, outline),
        Batch.of([record, record], outline, None).prompt(),
    ]
    assert [prompt.user for prompt in prompts if original in shown(prompt.user)] == []


@settings(deadline=None, max_examples=60)
@given(st.lists(broken_up(), min_size=2, max_size=2))
def test_no_prompt_of_many_records_holds_one(anonymiser: PatternAnonymiser, broken: list[tuple[str, str]]):
    request = an_analysis_request()
    records = tuple(
        record.model_copy(update={"content": text}) for record, (_, text) in zip(request.records, broken, strict=True)
    )
    hidden, _ = asyncio.run(Hiding(anonymiser).of_request(request.model_copy(update={"records": records})))
    user = shown(analyze.user_of(hidden.records))
    assert [original for original, _ in broken if original in user] == []


class Nearest:
    async def nearest(self, content: str, record_id: str, lessons: Lessons, count: int) -> tuple[Lesson, ...]:
        return lessons.lessons


@settings(deadline=None, max_examples=60)
@given(broken_up())
def test_no_corrected_example_holds_one(anonymiser: PatternAnonymiser, broken: tuple[str, str]):
    original, text = broken
    lessons = Lessons(TENANT, FRAMEWORK, (Lesson.of(text, ("code",), "1"),))
    examples = asyncio.run(Examples(Nearest(), anonymiser, 1).of(a_record(), lessons))
    assert original not in shown(rendered(examples, {"code": "1"}))


@pytest.mark.parametrize(
    "imitated",
    [
        "[EMAIL\u200b_1]",
        "[EMAIL_\x011]",
        "[EMAIL\u200c_1]",
        "[EM\u034fAIL_1]",
        "[ＥＭＡＩＬ＿１]",
        "[EMAIL_\u2060\x001]",
    ],
)
async def test_what_looks_like_a_placeholder_once_it_is_clean_is_not_used_for_another(
    anonymiser: PatternAnonymiser, imitated: str
):
    found = await anonymiser.anonymise([f"{imitated} met me at a@b.co"])
    assert found.texts[0].endswith("met me at [EMAIL_2]")
    assert found.restoring()("[EMAIL_1]") == "[EMAIL_1]"
