"""Requests of any script and length on models of any context: one rule of tokens cuts, chooses and checks them."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.delivery.steps import LEAST_ROOM, Asking, Clock, InvocationSteps
from domain.errors import TooLargeError
from domain.llm.breaker import CircuitBreaker
from domain.llm.retry import RetryPolicy
from domain.llm.routing import Route, Routing
from domain.llm.tokens import DEFAULT_CONTEXT, beginning, estimated, needed, room
from domain.operations.many.analysis import Analysis
from domain.operations.many.limits import MAX_FINDINGS_CHARACTERS, Limits
from domain.operations.many.summarize_aggregate import SummaryOfMany
from domain.operations.many.themes import MAX_SUMMARY_CHARACTERS
from domain.prompts.envelope import escape
from tests.builders import a_prompt, a_summary_request, an_analysis_request, an_invocation
from tests.fakes import FakePublisher, ScriptedModel
from tests.unit.domain.operations.many.support import MADE, FakeSteps, envelopes, records

BURMESE = "ရေဘုံဘိုင်ပျက်နေသည်မှာနှစ်ပတ်ရှိပြီ "
CHINESE = "水龙头已经干了两个星期，没有人来修理，我们需要水。"
HINDI = "पानी का नल दो सप्ताह से सूखा है और कोई नहीं आया। "
ENGLISH = "The tap has been dry for two weeks. "
SMALL_CONTEXT = 32_768


def large(text, count=300, length=900):
    """Records of one script, more than any prompt here takes."""
    return records(*[(f"{n} " + text * length)[:length] for n in range(1, count + 1)])


def says(words="Found."):
    """Answers of either operation, in these words."""

    def say(prompt, _=None):
        if prompt.operation == "analyze":
            return json.dumps({"answer": words, "confidence": 0.8})
        key = "parts" if "merge" in prompt.version else "records"
        titled = [{"title": f"T{n}", "summary": words[:MAX_SUMMARY_CHARACTERS], key: [n]} for n in (1, 2)]
        return json.dumps({"title": "All", "themes": titled[: len(envelopes(prompt))]})

    return say


def steps_to(*contexts, operation="analyze", say=None):
    """The steps of a worker whose models take so much, in this order; with the models."""
    models = [ScriptedModel(say or says()) for _ in contexts]
    routes = [Route(model, CircuitBreaker(), context) for model, context in zip(models, contexts, strict=True)]
    asking = Asking(Routing(*routes), asyncio.Semaphore(16), RetryPolicy(), FakePublisher(), Clock())
    return InvocationSteps(asking, an_invocation(operation=operation), "trace"), models


def work_on(operation, limits=None, **fields):
    limits = limits or Limits()
    if operation == "analyze":
        return Analysis(an_analysis_request(**fields), limits)
    return SummaryOfMany(a_summary_request(**fields), limits)


@pytest.mark.parametrize("mode", ["auto", "hierarchical"])
@pytest.mark.parametrize("context", [SMALL_CONTEXT, DEFAULT_CONTEXT])
@pytest.mark.parametrize("operation", ["analyze", "summarize_aggregate"])
@pytest.mark.parametrize("text", [BURMESE, CHINESE, HINDI, ENGLISH], ids=["Burmese", "Chinese", "Hindi", "English"])
async def test_a_large_request_is_answered_whole_in_any_script(text, operation, context, mode):
    steps, (model,) = steps_to(context, operation=operation)
    result = (await work_on(operation, records=large(text), mode=mode).run(steps)).result(MADE)

    assert (result.mode, result.excluded, result.records_used) == ("hierarchical", (), 300)
    assert all(needed(prompt) <= context for prompt, _ in model.asked)
    assert all(estimated(prompt.user) <= Limits().token_budget for prompt, _ in model.asked)


@pytest.mark.parametrize(("text", "count"), [(BURMESE, 48), (ENGLISH, 190)], ids=["Burmese", "English"])
async def test_what_fits_the_setting_and_not_the_model_is_read_in_chunks_and_a_single_pass_is_refused(text, count):
    given_records = large(text, count, length=300)
    context = SMALL_CONTEXT - 10_000

    result = (await work_on("analyze", records=given_records).run(steps_to(DEFAULT_CONTEXT)[0])).result(MADE)
    assert result.mode == "single_pass"
    result = (await work_on("analyze", records=given_records).run(steps_to(context)[0])).result(MADE)
    assert (result.mode, result.records_used) == ("hierarchical", count)
    alone = work_on("analyze", records=given_records, mode="single_pass")
    with pytest.raises(TooLargeError, match="auto or hierarchical"):
        await alone.run(steps_to(context)[0])
    assert (await alone.run(steps_to(context, DEFAULT_CONTEXT)[0])).result(MADE).mode == "single_pass"


@pytest.mark.parametrize("operation", ["analyze", "summarize_aggregate"])
async def test_a_record_that_is_too_large_is_named_and_left_out_and_the_others_count(operation):
    given_records = [*large(ENGLISH, 60), {"record_id": "long", "content": "ရေ" * 49_000}]
    steps, _ = steps_to(DEFAULT_CONTEXT, operation=operation)
    result = (await work_on(operation, records=given_records).run(steps)).result(MADE)

    (excluded,) = result.excluded
    assert (excluded.record_ids, excluded.reason) == (("long",), "too_large")
    assert (result.records_used, result.coverage) == (60, 60 / 61)


async def test_a_record_above_the_budget_is_read_where_the_model_takes_it():
    given_records = [*large(ENGLISH, 60), {"record_id": "long", "content": "so it is " * 11_000}]
    result = (await work_on("analyze", records=given_records).run(steps_to(DEFAULT_CONTEXT)[0])).result(MADE)
    assert (result.excluded, result.records_used) == ((), 61)


@pytest.mark.parametrize("operation", ["analyze", "summarize_aggregate"])
async def test_where_no_record_fits_the_request_is_too_large(operation):
    steps, (model,) = steps_to(2_000, operation=operation)
    with pytest.raises(TooLargeError):
        await work_on(operation, records=large(ENGLISH, 5), mode="hierarchical").run(steps)
    assert model.asked == []


@pytest.mark.parametrize("operation", ["analyze", "summarize_aggregate"])
@pytest.mark.parametrize("context", [11_000, 14_000, 20_000])
async def test_what_was_found_is_put_together_in_prompts_that_fit_however_long_it_is(operation, context):
    words = (BURMESE * 200)[: MAX_FINDINGS_CHARACTERS - 1] + "&"
    steps, (model,) = steps_to(context, operation=operation, say=says(words))
    result = (await work_on(operation, records=large(BURMESE, 40)).run(steps)).result(MADE)

    assert (result.excluded, result.records_used) == ((), 40)
    assert all(needed(prompt) <= context for prompt, _ in model.asked)
    kept = words[:MAX_SUMMARY_CHARACTERS].strip()
    if operation == "summarize_aggregate":
        assert {theme.summary for theme in result.themes} == {kept}, "only what a model reads of them is cut"


async def test_themes_of_two_halves_that_are_too_long_together_become_fewer():
    words = CHINESE * 40

    def say(prompt):
        texts = envelopes(prompt)
        if "merge" in prompt.version and len(texts) > 8:
            return "none"
        key = "parts" if "merge" in prompt.version else "records"
        long = words[:MAX_SUMMARY_CHARACTERS] if key == "parts" else "Short."
        found = [{"title": f"T{n}", "summary": long, key: [n]} for n in range(1, min(24, len(texts)) + 1)]
        return {"title": "All", "themes": found}

    steps = FakeSteps(say, context=17_000)
    request = a_summary_request(records=records(*[f"{n} dry" for n in range(16)]), mode="hierarchical")
    result = (await SummaryOfMany(request, Limits()).run(steps)).result(MADE)

    assert 1 <= len(result.themes) < 16
    listed = [record_id for theme in result.themes for record_id in theme.record_ids]
    assert sorted((*listed, *result.other_record_ids)) == sorted(record.record_id for record in request.records)


def test_the_smallest_model_that_is_worth_while_says_how_much_fits():
    prompt = a_prompt()
    bare = needed(prompt)

    def room_of(*contexts):
        return steps_to(*contexts)[0].room_for(prompt)

    assert room_of(bare + 5_000) == room_of(bare + 5_000, bare + 9_000) == room_of(bare + 9_000, bare + 5_000) == 5_000
    assert room_of(bare + LEAST_ROOM - 1, bare + 9_000) == 9_000
    assert room_of(bare + 10, bare - 10) == 10
    assert room_of(bare - 10) == -10
    assert room_of(None) > 10**9
    assert room_of(None, bare + 5_000) == 5_000


@given(st.text(max_size=50), st.text(max_size=50))
def test_two_texts_together_take_no_more_than_each_alone(first, second):
    assert max(estimated(first), estimated(second)) <= estimated(first + second) <= estimated(first) + estimated(second)


@settings(max_examples=200)
@given(st.text(st.sampled_from("a <&é水\U0001f600"), max_size=60), st.integers(-3, 120))
def test_a_beginning_is_the_longest_that_fits_as_it_is_shown(text, tokens):
    def shown(part):
        return f"<t>{escape(part)}</t>"

    kept = beginning(text, tokens, shown)
    assert text.startswith(kept)
    assert not kept or estimated(shown(kept)) <= tokens
    assert kept == text or estimated(shown(text[: len(kept) + 1])) > tokens


def test_room_is_what_the_prompt_and_its_answer_leave():
    assert room(a_prompt(), needed(a_prompt()) + 7) == 7
