"""Metrics: their names, and what they say."""

import asyncio
from typing import Any

import pytest

from adapters.kafka.lag_watch import LagWatch
from consumers.batches import BatchSettler
from consumers.llm_calls import llm_call_tables
from domain.delivery.dead_letters import DeadLetters, Failure
from domain.delivery.reasons import REASONS
from domain.errors import (
    BrokerUnavailableError,
    NotJSONError,
    ProviderUnavailableError,
    SinkUnavailableError,
)
from domain.lag import PartitionLag
from domain.llm.breaker import CircuitBreaker
from domain.ports import BatchOutcome
from domain.usage.budget_tally import BudgetTally
from domain.usage.rolling import Marked, Rolled
from runtime.metrics.collector import STATES
from runtime.metrics.figures import BudgetsFigures, ConsumerFigures, RollerFigures, WorkerFigures
from runtime.metrics.pulse import Pulse
from tests.builders import a_message
from tests.fakes import FakeClock, FakePublisher
from tests.unit.runtime.metrics_support import NOWHERE, Page, idle_pages
from tests.usage_support import llm_call

LABELS = {"topic", "partition", "state", "reason", "operation", "status", "model", "le", "because"}


@pytest.fixture
async def pages() -> list[Page]:
    return idle_pages()


async def test_all_is_there_from_the_start_and_no_label_could_hold_an_id(pages):
    for page in pages:
        assert {label for sample in page.samples() for label in sample.labels} <= LABELS
        letters = {sample.labels["reason"]: sample.value for sample in page.samples() if "reason" in sample.labels}
        assert letters == dict.fromkeys(REASONS, 0)
        assert page["process_resident_memory_bytes"] > 0
        assert page["process_open_fds"] > 0
        assert page["feedback_asyncio_tasks"] >= 1
        for line in page.text().splitlines():
            assert not line.startswith("# HELP") or len(line.split(" ", 3)[3]) > 10, line
        ours = {name for name in page.names() if not name.startswith("process_")}
        assert all(name.startswith("feedback_") for name in ours)


async def test_a_worker_tells_of_its_inputs_its_calls_its_breaker_and_its_lag():
    figures = WorkerFigures()
    page = Page(figures)
    figures.status.watch(lambda: 7, lambda: 12.5)
    figures.status.finished, figures.status.cancelled, figures.status.rebalances = 3, 2, 1
    figures.status.assigned = ("feedback.records/0", "feedback.records/1")
    figures.status.deleted_unread = 4
    figures.calls.count("summarize", "ok", 0.02, priced=True)
    figures.calls.count("summarize", "ok", 1000.0, priced=False)
    figures.calls.count("summarize", "error", 0.05, priced=False)
    page.lag.note(PartitionLag("feedback.records", number, at, 5, 20) for number, at in enumerate((12, 3)))

    assert page["feedback_inputs_in_flight"] == 7
    assert page["feedback_oldest_unfinished_seconds"] == 12.5
    assert page["feedback_inputs_finished_total"] == 3
    assert page["feedback_inputs_cancelled_total"] == 2
    assert page["feedback_rebalances_total"] == 1
    assert page["feedback_partitions_assigned"] == 2
    assert page["feedback_messages_deleted_unread_total"] == 4
    assert page['feedback_llm_calls_total{operation="summarize",status="ok"}'] == 2
    assert page['feedback_llm_calls_total{operation="assign_codes",status="ok"}'] == 0
    assert page['feedback_llm_calls_unpriced_total{operation="summarize",status="ok"}'] == 1
    took = 'feedback_llm_call_duration_seconds_bucket{{operation="summarize",le="{}"}}'
    assert [page[took.format(bound)] for bound in ("0.01", "0.025", "0.05", "300.0", "+Inf")] == [0, 1, 2, 2, 3]
    assert page['feedback_llm_call_duration_seconds_sum{operation="summarize"}'] == pytest.approx(1000.07)
    assert page['feedback_consumer_lag{topic="feedback.records",partition="0"}'] == 8
    assert page['feedback_consumer_lag{topic="feedback.records",partition="1"}'] == 15
    assert page['feedback_consumer_deleted_unread_messages{topic="feedback.records",partition="1"}'] == 2


def test_what_was_deleted_unread_is_told_for_an_hour_though_the_group_moves_on_at_once():
    clock = FakeClock()
    watch = LagWatch(NOWHERE, "group", ["t"], clock)
    for committed in (2, 4, 9):
        watch.note([PartitionLag("t", 0, committed, 5, 20), PartitionLag("t", 1, 6, 5, 20)])
        clock.advance(10)
    assert {place: count for place, (count, _) in watch.lost.items()} == {("t", 0): 3}
    clock.advance(3600)
    assert watch.age_seconds == 3610
    watch.note(watch.latest)
    assert watch.lost == {}


async def test_the_breaker_is_in_one_of_its_states():
    clock = FakeClock()
    figures = WorkerFigures(breaker=CircuitBreaker(clock=clock))
    page = Page(figures)

    def states() -> list[float]:
        return [page[f'feedback_circuit_breaker_state{{state="{state}"}}'] for state in STATES]

    assert states() == [1, 0, 0]
    figures.breaker.trip(ProviderUnavailableError("It is down."))
    assert states() == [0, 1, 0]
    clock.advance(2)
    probe = await figures.breaker.admit()
    assert states() == [0, 0, 1]
    figures.breaker.answered(probe)
    assert states() == [1, 0, 0]


async def test_a_dead_letter_counts_when_kafka_has_it_and_ages_until_then():
    figures = WorkerFigures()
    page, publisher = Page(figures), FakePublisher()
    letters = DeadLetters(publisher, tally=figures.dead_letters)
    publisher.open.clear()
    sending = asyncio.create_task(letters.publish(a_message(b"{"), Failure.of(NotJSONError("It is no JSON."))))
    await asyncio.sleep(0)
    assert page["feedback_dead_letter_waiting_seconds"] > 0
    assert page['feedback_dead_letters_total{reason="not_json"}'] == 0
    publisher.open.set()
    await sending
    assert page["feedback_dead_letter_waiting_seconds"] == 0
    assert page['feedback_dead_letters_total{reason="not_json"}'] == 1

    def refuse(message: object) -> None:
        raise BrokerUnavailableError("Kafka is away.")

    publisher.refuse = refuse
    with pytest.raises(BrokerUnavailableError):
        await letters.publish(a_message(b"{"), Failure.of(NotJSONError("It is no JSON.")))
    assert page["feedback_dead_letter_waiting_seconds"] == 0
    assert page['feedback_dead_letters_total{reason="not_json"}'] == 1


async def test_a_consumer_tells_that_it_waits_for_the_database_and_what_became_of_the_batch():
    figures = ConsumerFigures()
    page = Page(figures)
    while_waiting: list[float] = []

    class Sink:
        tries = 0

        async def write(self, batch: Any) -> BatchOutcome:
            self.tries += 1
            if self.tries == 1:
                raise SinkUnavailableError("The database is away.")
            return BatchOutcome(len(batch) - 1)

    async def pause(seconds: float) -> None:
        while_waiting.extend([page["feedback_store_waiting"], page["feedback_batch_age_seconds"]])

    settler = BatchSettler(llm_call_tables(Sink()), FakePublisher(), figures.progress, pause)
    values = (llm_call().to_bytes(), llm_call().to_bytes(), b"{")
    await settler.settle([a_message(value, topic="llm.calls") for value in values])

    waited, age = while_waiting
    assert waited == 1
    assert age > 0
    assert page["feedback_store_waiting"] == page["feedback_batch_age_seconds"] == 0
    assert page["feedback_llm_call_events_stored_total"] == page["feedback_llm_call_events_repeated_total"] == 1
    assert page["feedback_outages_waited_out_total"] == 1
    assert page['feedback_dead_letters_total{reason="not_json"}'] == 1


async def test_a_consumer_tells_of_codings_beside_the_calls_and_of_both_together():
    figures = ConsumerFigures()
    page = Page(figures)
    figures.progress.stored, figures.codings.stored, figures.codings.repeated = 5, 3, 2
    figures.progress.outages = figures.codings.outages = 1
    figures.progress.deleted_unread, figures.codings.deleted_unread = 4, 6
    figures.codings.waits_for_store = True
    figures.codings.batch_since = 0.0
    figures.progress.untold = 4
    figures.codings.passed_over = 7

    assert page["feedback_positions_untold_total"] == 4
    assert page["feedback_llm_call_events_stored_total"] == 5
    assert page["feedback_coding_events_stored_total"] == 3
    assert page["feedback_coding_events_repeated_total"] == 2
    assert page["feedback_messages_passed_over_total"] == 7
    assert page["feedback_outages_waited_out_total"] == 2
    assert page["feedback_messages_deleted_unread_total"] == 10
    assert page["feedback_store_waiting"] == 1
    assert page["feedback_batch_age_seconds"] > 0
    assert figures.codings.letters is figures.progress.letters is figures.dead_letters


async def test_a_roller_tells_what_it_did_and_what_is_left_and_for_how_long():
    figures = RollerFigures()
    page = Page(figures)
    assert (page["feedback_usage_roller_leads"], page["feedback_usage_oldest_mark_seconds"]) == (0, 0)
    figures.rolled.rolled(Rolled(5, 3, 2, partition_failures=1))
    figures.rolled.saw(Marked(3, 100.0))
    figures.rolled.failures += 1

    assert page["feedback_usage_days_rolled_total"] == 5
    assert page["feedback_usage_weeks_rolled_total"] == 3
    assert page["feedback_usage_months_rolled_total"] == 2
    assert page["feedback_usage_roll_failures_total"] == 1
    assert page["feedback_usage_partition_failures_total"] == 1
    assert page["feedback_usage_roller_leads"] == 1
    assert page["feedback_usage_marked_days"] == 3
    before = page["feedback_usage_oldest_mark_seconds"]
    assert 100 <= before < page["feedback_usage_oldest_mark_seconds"]
    assert page["feedback_asyncio_tasks"] >= 1
    assert not any("lag{" in name or "dead_letter" in name for name in page.names())

    figures.rolled.rolled(None)
    figures.rolled.saw(Marked())
    assert (page["feedback_usage_roller_leads"], page["feedback_usage_oldest_mark_seconds"]) == (0, 0)


async def test_a_watch_on_budgets_tells_how_long_ago_it_looked_and_what_came_of_it():
    now = 100.0
    tally = BudgetTally(clock=lambda: now, told=3, pauses=2, sent_again=40, refused=5, outages=6)
    page = Page(BudgetsFigures(tally))
    now = 160.0
    assert page["feedback_budget_look_age_seconds"] == 60
    tally.looked()
    now = 161.0
    assert page["feedback_budget_look_age_seconds"] == 1
    assert page["feedback_budget_pauses"] == 2
    assert page["feedback_budget_thresholds_told_total"] == 3
    assert page["feedback_budget_inputs_sent_again_total"] == 40
    assert page["feedback_budget_webhook_refusals_total"] == 5
    assert page["feedback_outages_waited_out_total"] == 6


async def test_a_loop_that_stands_still_is_late_while_it_does_and_for_a_while_after():
    now = 100.0
    pulse = Pulse(lambda: now)
    assert pulse.lag_seconds == 0
    beating = asyncio.create_task(pulse.run())
    await asyncio.sleep(0)
    now = 107.5
    assert pulse.lag_seconds == pytest.approx(7.0)
    beating.cancel()
