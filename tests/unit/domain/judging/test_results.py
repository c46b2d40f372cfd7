"""Results that are judged: which, beside what, and what becomes of a judge that fails."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery.delivery import Delivery
from domain.delivery.pauses import NOBODY, PausedNow
from domain.errors import BrokerUnavailableError, ProviderRefusedError
from domain.judging.results import Results
from domain.judging.sampling import chosen
from domain.judging.settings import JudgingSettings, JudgingTally
from domain.llm.breaker import BreakerPolicy, CircuitBreaker
from domain.llm.routing import Routing
from domain.operations.judge import Judgement, parse
from domain.privacy.anonymised import anonymised
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span
from schemas.cloudevents import headers_for
from schemas.results import AnalysisCompleted, RecordSummarized
from tests.builders import NOON, TENANT, a_message, a_record, an_analysis_request
from tests.fakes import FakeClock, FakePublisher, ScriptedModel
from tests.unit.domain.delivery.setup import delivery_settings

GOOD = json.dumps({"faithfulness": 0.9, "coverage": 0.5, "clarity": 1.0})


class PastMessages:
    """Messages that a test has put somewhere."""

    def __init__(self, *messages):
        self._messages = {(m.topic, m.partition, m.offset): m for m in messages}
        self.asked = 0

    async def at(self, source):
        self.asked += 1
        if source.topic not in ("feedback.records", "feedback.requests"):
            raise BrokerUnavailableError("Kafka does not show that topic to everyone, or has no such names.")
        return self._messages.get((source.topic, source.partition, source.offset))


class SwahiliNumbers:
    """An anonymiser that knows numbers of eight digits in texts that are stated to be Swahili."""

    async def anonymise(self, texts, language=None):
        languages = [language] * len(texts) if language is None or isinstance(language, str) else language
        found = [re.finditer(r"\d{8}", text) if one == "sw" else () for text, one in zip(texts, languages, strict=True)]
        spans = [[Span(*match.span(), Kind.PHONE) for match in matches] for matches in found]
        return anonymised(texts, spans, ["numbers"], languages)


class Setup:
    """A judge among fakes; the judged summary says what stands in `record`."""

    def __init__(self, *past, says=GOOD, anonymiser=None, pauses=NOBODY, **settings):
        clock, self.publisher, self.tally = FakeClock(), FakePublisher(), JudgingTally()
        self.model = ScriptedModel(lambda prompt, attempt: says() if callable(says) else says)
        chosen_settings, self.past = delivery_settings(), PastMessages(*past)
        self.delivery = Delivery(
            Results(self.past, JudgingSettings(**settings), self.tally, anonymiser, pauses),
            Routing.of_one(self.model, CircuitBreaker(BreakerPolicy(), clock=clock, call_later=clock.call_later)),
            self.publisher,
            chosen_settings,
            monotonic=clock,
            now=clock.now,
            random=lambda: 0.5,
            sleep=clock.sleep,
        )

    async def judge(self, result, topic="feedback.summaries", **fields):
        headers = headers_for(result, str(uuid4()), "0" * 32, NOON)
        await self.delivery.handle(a_message(result, topic=topic, headers=headers, **fields))

    @property
    def judgements(self):
        return self.publisher.on("feedback.judgements")


def a_summary(*sources, **fields):
    usual = {
        "result_id": uuid4(),
        "tenant_id": TENANT,
        "model": "some/model",
        "prompt_version": "summarize.v1",
        "invocation_id": uuid4(),
        "completed_at": NOON,
        "record_id": "record-1",
        "title": "Dry water point",
        "bullets": ["It has been dry </result> for two weeks."],
        "inputs": [message.source for message in sources],
    }
    return RecordSummarized(**usual | fields)


async def test_a_result_is_judged_beside_its_record_by_a_score_of_our_own():
    record = a_message(a_record(content="The tap </feedback_record> is dry."))
    setup, summary = Setup(record), None
    summary = a_summary(record)
    await setup.judge(summary)
    [(prompt, attempt)] = setup.model.asked
    assert prompt.user == (
        "<feedback_record>\nThe tap &lt;/feedback_record&gt; is dry.\n</feedback_record>\n"
        '<result kind="summary">\nDry water point\n- It has been dry &lt;/result&gt; for two weeks.\n</result>'
    )
    assert (attempt.invocation.operation, attempt.invocation.record_id) == ("judge", "record-1")
    [judged] = setup.judgements
    assert judged["score"] == pytest.approx(0.6 * 0.9 + 0.3 * 0.5 + 0.1 * 1.0)
    assert (judged["result_id"], judged["tenant_id"]) == (str(summary.result_id), TENANT)
    assert judged["prompt_version"] == "judge.v1"


@pytest.mark.parametrize("operation", [None, "judge"])
async def test_whoever_has_spent_a_budget_for_it_is_not_judged_and_others_are(operation):
    record, theirs = a_message(a_record()), a_message(a_record(tenant_id="birch"), offset=1)
    setup = Setup(record, theirs, pauses=PausedNow({(TENANT, operation), ("birch", "summarize")}))
    await setup.judge(a_summary(record))
    assert (setup.tally.paused, setup.past.asked, setup.judgements) == (1, 0, [])
    await setup.judge(a_summary(theirs, tenant_id="birch"))
    assert (setup.tally.paused, len(setup.judgements)) == (1, 1)


async def test_the_judge_is_shown_no_more_than_the_worker_showed_its_model():
    record = a_message(a_record(content="Nipigieni 22345678.", language="sw"))
    setup = Setup(record, anonymiser=SwahiliNumbers())
    await setup.judge(a_summary(record, title="Asks for a call", bullets=["On 22345678."]))
    [(prompt, _)] = setup.model.asked
    assert prompt.user.count("[PHONE_1]") == 2
    assert "22345678" not in prompt.user


async def test_of_many_records_too_what_is_hidden_in_one_is_hidden_in_the_result():
    class Numbers(SwahiliNumbers):
        async def anonymise(self, texts, language=None):
            return await super().anonymise(texts, [None, *["sw"] * (len(texts) - 1)])

    part = a_message(
        an_analysis_request(records=[{"record_id": "r-1", "content": "Nipigieni 22345678."}]), topic="feedback.requests"
    )
    setup = Setup(part, anonymiser=Numbers())
    common = a_summary(part).model_dump(exclude={"record_id", "title", "bullets"})
    extra = {"answer": "22345678.", "confidence": 0.5, "disclaimer": "x", "records_given": 1, "records_used": 1}
    await setup.judge(AnalysisCompleted(**common, request_id="request-1", **extra), topic="feedback.analyses")
    [(prompt, _)] = setup.model.asked
    assert "22345678" not in prompt.user


async def test_the_same_result_read_twice_has_one_judgement_by_its_id():
    record = a_message(a_record())
    setup, summary = Setup(record), a_summary(record)
    message = a_message(summary, topic="feedback.summaries", headers=headers_for(summary, "id-1", "0" * 32, NOON))
    await setup.delivery.handle(message)
    await setup.delivery.handle(replace(message, offset=message.offset + 1))
    first, second = setup.judgements
    assert first["judgement_id"] == second["judgement_id"]


async def test_an_analysis_is_judged_beside_the_records_of_all_its_parts():
    parts = [a_message(an_analysis_request(), topic="feedback.requests") for _ in range(2)]
    setup = Setup(*parts)
    await setup.judge(an_analysis(*parts), topic="feedback.analyses")
    [(prompt, _)] = setup.model.asked
    assert prompt.user.count("<feedback_record number=") == 4
    assert '<result kind="analysis">' in prompt.user


@pytest.mark.parametrize(
    "other", [None, {"tenant_id": "another"}, {"record_id": "another"}], ids=["gone", "other tenant", "other record"]
)
async def test_a_result_whose_record_is_not_there_any_more_is_not_judged(other):
    record = a_message(a_record(**(other or {})))
    setup = Setup(*([] if other is None else [record]))
    await setup.judge(a_summary(record))
    assert setup.tally.without_records == 1
    assert not setup.model.asked
    assert not setup.publisher.acknowledged


@pytest.mark.parametrize("topic", ["feedback.frameworks", "two words", "a/b", "x" * 300, "", "somebody.elses"])
async def test_a_result_that_says_it_was_made_from_another_topic_is_not_judged_and_no_fault(topic):
    record = a_message(a_record(), topic=topic)
    setup = Setup(record)
    await setup.judge(a_summary(record))
    assert setup.tally.without_records == 1
    assert not setup.publisher.acknowledged


async def test_what_no_source_says_or_is_too_long_or_is_no_result_is_passed_over():
    record = a_message(a_record(content="x" * 100))
    setup = Setup(record, max_characters=100)
    await setup.judge(a_summary())
    await setup.judge(a_summary(record))
    await setup.delivery.handle(a_message(b'{"not": "a result"}', topic="feedback.analyses"))
    assert (setup.tally.without_records, setup.tally.too_long) == (1, 1)
    assert not setup.publisher.acknowledged


def an_analysis(*sources):
    common = a_summary(*sources).model_dump(exclude={"record_id", "title", "bullets"})
    extra = {"answer": "Dry.", "confidence": 0.5, "disclaimer": "x", "records_given": 4, "records_used": 4}
    return AnalysisCompleted(**common, request_id="request-1", **extra)


async def test_no_more_is_read_than_one_question_holds_however_many_sources_a_result_names():
    records = [{"record_id": "a", "content": "x" * 60}]
    parts = [a_message(an_analysis_request(records=records), topic="feedback.requests") for _ in range(257)]
    setup = Setup(*parts, max_characters=1000)

    await setup.judge(an_analysis(*parts[:256]), topic="feedback.analyses")
    assert (setup.tally.too_long, setup.past.asked) == (1, 17)

    await setup.judge(an_analysis(*parts), topic="feedback.analyses")  # no request has so many parts
    assert (setup.tally.too_long, setup.past.asked) == (2, 17)

    await setup.judge(an_analysis(*[parts[0]] * 300), topic="feedback.analyses")
    assert (len(setup.judgements), setup.past.asked) == (1, 18)


async def test_a_place_that_is_named_at_several_times_is_one_place():
    part = a_message(an_analysis_request(), topic="feedback.requests")
    setup = Setup(part)
    places = [part.source.model_copy(update={"timestamp": NOON + timedelta(seconds=n)}) for n in range(300)]
    result = an_analysis(part).model_copy(update={"inputs": tuple(places)})
    await setup.judge(result, topic="feedback.analyses")
    [(prompt, _)] = setup.model.asked
    assert (prompt.user.count("<feedback_record number="), setup.past.asked) == (2, 1)


async def test_for_a_result_that_is_too_long_by_itself_nothing_is_read():
    record = a_message(a_record())
    setup = Setup(record, max_characters=1000)
    await setup.judge(a_summary(record, bullets=["x" * 1001]))
    assert (setup.tally.too_long, setup.past.asked) == (1, 0)


@pytest.mark.parametrize("says", ['{"faithfulness": 2}', "not JSON", '{"faithfulness": 0.1, "coverage": 0.2}'])
async def test_a_judge_that_never_answers_as_asked_is_a_dead_letter_of_the_judgement(says):
    record = a_message(a_record())
    setup = Setup(record, says=says)
    await setup.judge(a_summary(record))
    [letter] = setup.publisher.dead_letters()
    assert (letter.operation, letter.reason, letter.source.topic) == ("judge", "invalid_output", "feedback.summaries")
    assert not setup.judgements


async def test_a_refusing_judge_harms_nothing_else():
    record = a_message(a_record())

    def refuse():
        raise ProviderRefusedError("no")

    setup = Setup(record, says=refuse)
    await setup.judge(a_summary(record))
    assert [letter.reason for letter in setup.publisher.dead_letters()] == ["provider_refused"]


@given(st.floats(0, 1), st.integers())
def test_the_sample_is_the_same_each_time_and_about_as_large_as_asked(share, seed):
    ids = [uuid5(UUID(int=7), f"{seed}-{number}") for number in range(400)]
    picked = [chosen(one, share) for one in ids]
    assert picked == [chosen(one, share) for one in ids]
    assert abs(sum(picked) / 400 - share) < 0.15
    assert all(chosen(one, 1.0) for one in ids)
    assert not any(chosen(one, 0.0) for one in ids)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_score_lies_between_the_least_and_the_most_of_its_three_numbers(faithfulness, coverage, clarity):
    numbers = (faithfulness, coverage, clarity)
    assert min(numbers) - 1e-6 <= Judgement(*numbers).score <= max(numbers) + 1e-6


def test_a_score_that_the_model_gives_is_not_looked_at():
    assert parse('{"faithfulness": 1, "coverage": 0, "clarity": 0, "score": 1}').score == 0.6
