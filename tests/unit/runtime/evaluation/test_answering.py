"""Asking as a worker does: what goes to the model, and what is counted of what comes back."""

import asyncio
import json
from decimal import Decimal

import pytest

from adapters.llm.recording import RecordingModel
from domain.errors import ProviderRefusedError, ProviderUnusableError, UserError
from domain.llm.breaker import CircuitBreaker
from domain.llm.calls import Completion, Cost, Usage
from domain.llm.routing import Route, Routing
from runtime.evaluation.answering import Answering, GaveUpError, GivenFrameworks, handler_of
from runtime.evaluation.as_json import as_json, predictions
from runtime.evaluation.collected import Collected
from runtime.evaluation.evaluation import evaluation_of
from runtime.evaluation.labels import Labelled
from runtime.evaluation.sample import Choice, Sample
from runtime.evaluation.tables import last_line
from runtime.job.records_file import FileRecord
from runtime.settings import Settings
from schemas.operations import RecordOperation
from tests.builders import FRAMEWORK, TENANT, a_framework, a_prompt, an_attempt
from tests.fakes import CODED, SUMMARISED

DRY, DIRTY = ("services", "water", "dry-water-point"), ("services", "water", "dirty-water")
SETTINGS = Settings(max_in_flight=3)


class Provider:
    """A ChatModel that says what the record's text asks for."""

    name = "stub/model"

    def __init__(self, cost: Cost | None = None) -> None:
        self.prompts, self.running, self.most = [], 0, 0
        self._cost = cost or Cost(Decimal("0.001"), "price_map")

    async def complete(self, prompt, attempt):
        self.prompts.append(prompt)
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(20):  # as long as others take to get here
            await asyncio.sleep(0)
        self.running -= 1
        if "refuse" in prompt.user:
            raise ProviderRefusedError("No.", http_status=400)
        if "abstain" in prompt.user:
            text = json.dumps({"codes": [], "abstained_because": "Small talk."})
        else:
            text = CODED if prompt.operation == "assign_codes" else SUMMARISED
        return Completion(text, "stub-model-7", Usage(100, 10), self._cost)


def a_line(number, content, right):
    payload = {
        "schema_version": 1,
        "tenant_id": TENANT,
        "record_id": f"secret-id-{number}",
        "content": content,
        "framework_id": FRAMEWORK,
        "operations": ["assign_codes"],
        "metadata": {"codes": "secret-label", "region": "secret-region"},
    }
    return Labelled(FileRecord(number, f"secret-id-{number}", TENANT, (), payload), right)


async def evaluated(provider, records, operations=(RecordOperation.ASSIGN_CODES,), context_tokens=None):
    """What an evaluation of these records finds, and what it collected."""
    for one in records:
        one.record.payload["operations"] = [operation.value for operation in operations]
    collected, answering = Collected(), Answering(records)
    model = RecordingModel(provider, collected, 10.0)
    counts = []
    routing = Routing(Route(model, CircuitBreaker(), context_tokens))
    await answering.run(handler_of(SETTINGS, routing, [a_framework()], collected), counts.append)
    await model.aclose()
    assert counts == list(range(1, len(records) + 1))
    choice = Choice(None, (), operations, TENANT, "metadata.codes")
    sample = Sample(list(records), [a_framework()], [])
    return evaluation_of(provider.name, 3, choice, sample, answering, collected), collected


async def test_no_prompt_holds_a_label_an_id_or_any_metadata():
    provider = Provider()
    both = (RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE)
    await evaluated(provider, [a_line(number, "The tap is dry.", (DIRTY,)) for number in range(1, 4)], both)
    assert len(provider.prompts) == 6
    for prompt in provider.prompts:
        said = json.dumps(prompt.messages())
        assert "The tap is dry." in said
        assert "secret" not in said
        assert not {*DIRTY, "metadata"} & set(said.split('"'))


async def test_figures_of_right_wrong_abstained_and_failed_records():
    records = [
        a_line(1, "The tap is dry.", (DRY,)),
        a_line(2, "Brown water.", (DIRTY,)),
        a_line(3, "abstain", (DRY,)),
        a_line(4, "refuse", (DRY,)),
        a_line(5, " \n", (DRY,)),
        a_line(6, "abstain", ()),
        a_line(7, "refuse", ()),
    ]
    provider = Provider()
    found, collected = await evaluated(provider, records)
    assert 1 < provider.most <= 3
    figures = json.loads(as_json(found))
    assert figures["leaf"] | {"top1_interval_95": None} == {"top1": 0.2, "top3": 0.2, "top1_interval_95": None}
    assert figures["levels"] == {"1": 0.4, "2": 0.4, "3": 0.2}
    assert figures["coverage"] == {"25": 0.5, "50": 0.4, "75": pytest.approx(0.2667), "100": 0.2}
    assert figures["no_code"] == {"records": 2, "abstained": 1}
    assert figures["failures"] == {"assign_codes": {"provider_refused": 2}, "reading": {"blank_content": 1}}
    assert (figures["records"], figures["failed_records"], figures["complete"]) == (7, 3, True)
    assert (figures["calls"], figures["failed_calls"]) == (6, 2)
    assert figures["calls_per_record"] == pytest.approx(6 / 7, abs=1e-4)
    assert (figures["model"], figures["answered_by"]) == ("stub/model", ["stub-model-7"])
    assert figures["prompt_version"].startswith("assign_codes.v")
    assert figures["seconds_per_1000"] > 0
    assert last_line(found) == "eval: records=7 done=7 failed=3 llm_calls=6 top1=0.200 top3=0.200"

    answers = [json.loads(line) for line in predictions(records, range(1, 8), collected)]
    assert answers[0]["codes"] == [{"code_id": "dry-water-point", "confidence": 0.7}]
    assert [answer["failure"] for answer in answers[2:5]] == [None, "provider_refused", "blank_content"]
    assert [answer["abstained"] for answer in answers] == [False, False, True, False, False, True, False]
    assert "tap" not in "".join(predictions(records, range(1, 8), collected))


async def test_what_does_not_fit_the_model_is_not_asked():
    provider, long = Provider(), "The tap is dry. " * 1_200
    records = [a_line(1, "The tap is dry.", (DRY,)), a_line(2, long, (DRY,))]
    found, _ = await evaluated(provider, records, context_tokens=8_000)
    assert (len(provider.prompts), found.failures) == (1, {"assign_codes": {"too_large": 1}})


async def test_an_unknown_cost_is_unknown_and_a_known_one_exact():
    records = [a_line(1, "The tap is dry.", (DRY,))]
    both = (RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE)
    priced = json.loads(as_json((await evaluated(Provider(), records, both))[0]))
    assert (priced["cost_usd_per_1000"], priced["calls_per_record"]) == (2.0, 2.0)
    assert priced["operations"]["summarize"]["cost_usd_per_1000"] == 1.0
    assert priced["input_tokens_per_record"] == 200.0
    unpriced = json.loads(as_json((await evaluated(Provider(Cost(None, "unknown_model")), records))[0]))
    assert (unpriced["cost_usd_per_1000"], unpriced["unpriced_calls"]) == (None, 1)


async def test_a_provider_that_refuses_everyone_is_a_persons_mistake():
    class Refusing:
        async def ready_for_more(self):
            await asyncio.sleep(0)

        async def handle(self, message):
            raise ProviderUnusableError("The provider refuses our key (401).")

    with pytest.raises(UserError, match="401") as caught:
        await Answering([a_line(1, "The tap is dry.", (DRY,))]).run(Refusing(), lambda _: None)
    assert "LLM_API_KEY" in caught.value.remedy


async def test_a_joint_call_counts_unless_it_was_cut_off():
    class Slow(Provider):
        async def complete(self, prompt, attempt):
            if attempt.number == 2:
                await asyncio.Event().wait()
            return await super().complete(prompt, attempt)

    collected = Collected()
    model = RecordingModel(Slow(), collected, 10.0)
    several = {"record_id": None}
    await model.ask(a_prompt(), an_attempt(1, **several), str)
    cut_off = asyncio.create_task(model.ask(a_prompt(), an_attempt(2, **several), str))
    await asyncio.sleep(0)
    cut_off.cancel()
    await asyncio.wait([cut_off])
    await model.aclose()
    theirs, others = collected.spending({1})
    assert [(spent.calls, spent.failed) for spent in theirs.values()] == [(1, 0)]
    assert (others.calls, others.failed) == (1, 1)


async def test_it_gives_up_where_nothing_is_done_and_keeps_what_was():
    class Stuck:
        async def ready_for_more(self):
            await asyncio.sleep(0)

        async def handle(self, message):
            if message.offset == 2:
                await asyncio.Event().wait()

    answering = Answering([a_line(number, "The tap is dry.", (DRY,)) for number in (1, 2, 3)])
    with pytest.raises(GaveUpError, match=r"and 1 are left.*--give-up-after"):
        await answering.run(Stuck(), lambda _: None, 0.05)
    assert answering.done == {1, 3}


def test_frameworks_are_found_by_tenant_and_id():
    framework = a_framework()
    known = GivenFrameworks([framework])
    assert known.find(TENANT, FRAMEWORK) is framework
    assert known.find("another", FRAMEWORK) is None
