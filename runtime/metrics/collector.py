"""The metrics by their names. Each scrape reads the figures as they are; nothing is kept here.

No label holds an id, of a tenant, a record or anything else that others choose: labels are ours, and few.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from adapters.kafka.lag_watch import LagWatch
from domain.delivery.tally import DeadLetterTally
from domain.llm.routing import Route
from domain.llm.tally import BOUNDS, CallTally
from domain.usage.budget_tally import BudgetTally
from domain.usage.rolling import RollTally
from runtime.metrics.figures import BudgetsFigures, ConsumerFigures, Figures, RollerFigures, WorkerFigures
from runtime.metrics.pulse import Pulse

STATES = ("closed", "open", "half_open")


def registry_of(figures: Figures, lags: Sequence[LagWatch], pulse: Pulse) -> CollectorRegistry:
    """A registry of its own, with all metrics of one process in it; a lag for each group that it is in."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(figures, lags, pulse))
    ProcessCollector(registry=registry)
    return registry


class _Figures(Collector):
    """What a scrape is told."""

    def __init__(self, figures: Figures, lags: Sequence[LagWatch], pulse: Pulse) -> None:
        self._figures, self._lags, self._pulse = figures, lags, pulse

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry that asks would read the figures to learn their names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are now."""
        figures = self._figures
        if isinstance(figures, RollerFigures):
            yield from _of_roller(figures.rolled)
        elif isinstance(figures, BudgetsFigures):
            yield from _of_budgets(figures.tally)
        else:
            yield from _of_worker(figures) if isinstance(figures, WorkerFigures) else _of_consumer(figures)
            yield from _of_dead_letters(figures.dead_letters)
            yield _counter(
                "messages_deleted_unread", "Messages that were deleted before they were read.", figures.deleted_unread
            )
            yield from _of_lag(self._lags)
        yield _gauge("event_loop_lag_seconds", "How late the event loop was at most in 30 s.", self._pulse.lag_seconds)
        yield _gauge("asyncio_tasks", "Tasks of the event loop that are not done.", self._pulse.tasks)


def _of_worker(figures: WorkerFigures) -> Iterator[Metric]:
    status = figures.status
    yield _gauge("inputs_in_flight", "Inputs that are being answered.", status.in_flight)
    yield _gauge(
        "oldest_unfinished_seconds",
        "Age of the oldest input in flight; 0 where there is none.",
        status.oldest_unfinished_seconds or 0.0,
    )
    yield _counter("inputs_finished", "Inputs answered, repeats included.", status.finished)
    yield _counter("inputs_cancelled", "Inputs given up unfinished, to be delivered again.", status.cancelled)
    yield _gauge("partitions_assigned", "Partitions that this worker holds.", len(status.assigned))
    yield _counter("rebalances", "How often partitions were assigned.", status.rebalances)
    now = figures.breaker.state
    breaker = _gauge(
        "circuit_breaker_state", "1 for the state that LLM_MODEL's circuit breaker is in.", labels=("state",)
    )
    for state in STATES:
        breaker.add_metric((state,), float(state == now))
    yield breaker
    yield from _of_models(figures.routes)
    yield from _of_calls(figures.calls)
    if figures.judging is not None:
        unjudged = _counter("results_unjudged", "Results that were not judged, and why.", labels=("because",))
        for because in ("left_out", "without_records", "too_long", "paused"):
            unjudged.add_metric((because,), getattr(figures.judging, because))
        yield unjudged


def _of_models(routes: Sequence[Route]) -> Iterator[Metric]:
    """The breaker of each model; a model's name is set by whoever runs the worker."""
    down = _gauge("model_down", "1 while the circuit breaker of the model is open.", labels=("model",))
    refusing = _gauge("model_refuses_everyone", "1 while the model refuses all of us: a wrong key.", labels=("model",))
    names = dict.fromkeys(route.model.name for route in routes)
    for name in names:
        breakers = [route.breaker for route in routes if route.model.name == name]
        down.add_metric((name,), float(any(breaker.is_open for breaker in breakers)))
        refusing.add_metric((name,), float(any(breaker.unusable is not None for breaker in breakers)))
    yield from (down, refusing)


def _of_calls(calls: CallTally) -> Iterator[Metric]:
    by = ("operation", "status")
    ended = _counter("llm_calls", "LLM calls, each attempt one.", labels=by)
    unpriced = _counter("llm_calls_unpriced", "Those of them whose cost is not known.", labels=by)
    for metric, counts in ((ended, calls.ended), (unpriced, calls.unpriced)):
        for labels, count in dict(counts).items():
            metric.add_metric(labels, count)
    took = HistogramMetricFamily(
        "feedback_llm_call_duration_seconds", "How long LLM calls took, failed ones included.", labels=("operation",)
    )
    names = [*map(str, BOUNDS), "+Inf"]
    for operation, durations in dict(calls.durations).items():
        sums = accumulate(tuple(durations.classes))
        took.add_metric((operation,), list(zip(names, sums, strict=True)), durations.seconds)
    yield from (ended, unpriced, took)


def _of_consumer(figures: ConsumerFigures) -> Iterator[Metric]:
    calls, codings = figures.progress, figures.codings
    yield _counter("llm_call_events_stored", "LLM-call events that became new rows.", calls.stored)
    yield _counter("llm_call_events_repeated", "LLM-call events whose rows were there already.", calls.repeated)
    yield _counter(
        "coding_events_stored", "Codings, corrections and dead letters that became new rows.", codings.stored
    )
    yield _counter("coding_events_repeated", "Those of them whose rows were there already.", codings.repeated)
    yield _counter(
        "messages_passed_over",
        "Messages of feedback.dead-letters that carry no dead letter that can be stored.",
        codings.passed_over,
    )
    yield _counter("outages_waited_out", "How often the database or Kafka was waited for.", figures.outages)
    yield _counter("positions_untold", "How often the database was not told how far the reading is.", calls.untold)
    yield _gauge("store_waiting", "1 while the database does not answer.", float(figures.waits_for_store))
    yield _gauge("batch_age_seconds", "Age of the oldest batch under way; 0 where none is.", figures.batch_seconds)


def _of_budgets(tally: BudgetTally) -> Iterator[Metric]:
    yield _gauge("budget_look_age_seconds", "How long ago all budgets were looked at.", tally.look_age_seconds)
    yield _gauge("budget_pauses", "Hard stops that last.", tally.pauses)
    yield _counter("budget_thresholds_told", "Thresholds of budgets that were told of.", tally.told)
    yield _counter("budget_inputs_sent_again", "Inputs that were sent again after a pause.", tally.sent_again)
    yield _counter("budget_webhook_refusals", "Times that the webhook did not take an alert.", tally.refused)
    yield _counter("outages_waited_out", "How often the database or Kafka was waited for.", tally.outages)


def _of_roller(rolled: RollTally) -> Iterator[Metric]:
    yield _counter("usage_days_rolled", "Tenants' days that were counted anew.", rolled.days)
    yield _counter("usage_weeks_rolled", "Tenants' weeks that were counted anew.", rolled.weeks)
    yield _counter("usage_months_rolled", "Tenants' months that were counted anew.", rolled.months)
    yield _counter("usage_roll_failures", "Rounds that the database did not let end.", rolled.failures)
    yield _counter(
        "usage_partition_failures",
        "Times that the database did not let the partitions of months be made.",
        rolled.partition_failures,
    )
    yield _gauge("usage_roller_leads", "1 for the one roller of several that is at work.", float(rolled.leads))
    yield _gauge("usage_marked_days", "Tenants' days whose rollups do not hold.", rolled.marked_days)
    yield _gauge(
        "usage_oldest_mark_seconds",
        "For how long the first of them has been so; 0 where there is none.",
        rolled.oldest_mark_seconds,
    )


def _of_dead_letters(tally: DeadLetterTally) -> Iterator[Metric]:
    letters = _counter("dead_letters", "Dead letters published, repeats included.", labels=("reason",))
    for reason, count in dict(tally.by_reason).items():
        letters.add_metric((reason,), count)
    yield letters
    yield _gauge(
        "dead_letter_waiting_seconds",
        "How long the oldest dead letter has waited for Kafka's acknowledgement; 0 where none does.",
        tally.waiting_seconds,
    )


def _of_lag(lags: Sequence[LagWatch]) -> Iterator[Metric]:
    place = ("topic", "partition")
    behind = _gauge("consumer_lag", "Messages of a partition that the group has not finished.", labels=place)
    deleted = _gauge(
        "consumer_deleted_unread_messages",
        "Messages that were deleted before the group had finished them; the most within an hour.",
        labels=place,
    )
    for lag in lags:
        for one in lag.latest:
            behind.add_metric((one.topic, str(one.partition)), one.lag)
            count, _ = lag.lost.get((one.topic, one.partition), (0, 0.0))
            deleted.add_metric((one.topic, str(one.partition)), count)
    yield from (behind, deleted)
    yield _gauge(
        "consumer_lag_age_seconds", "How long ago Kafka last told the lag.", max(lag.age_seconds for lag in lags)
    )


def _gauge(
    name: str, told: str, value: float | None = None, labels: tuple[str, ...] | None = None
) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"feedback_{name}", told, value, labels)


def _counter(
    name: str, told: str, value: float | None = None, labels: tuple[str, ...] | None = None
) -> CounterMetricFamily:
    return CounterMetricFamily(f"feedback_{name}", told, value, labels)
