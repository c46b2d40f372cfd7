"""A scrape of a process's figures, for tests of metrics and of alarms."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.lag_watch import LagWatch
from domain.judging.settings import JudgingTally
from domain.lag import PartitionLag
from domain.llm.routing import Route
from runtime.metrics.collector import registry_of
from runtime.metrics.figures import ConsumerFigures, Figures, WorkerFigures
from runtime.metrics.pulse import Pulse
from tests.fakes import ScriptedModel

NOWHERE = KafkaConnection("127.0.0.1:1")


class Page:
    """What a scrape of a process's figures says; a sample by its name and labels, as PromQL writes them."""

    def __init__(self, figures: Figures) -> None:
        self.lag = LagWatch(NOWHERE, "group", ["feedback.records"])
        self._registry = registry_of(figures, [self.lag], Pulse())

    def text(self) -> str:
        return generate_latest(self._registry).decode()

    def samples(self) -> Iterator[Any]:
        for family in text_string_to_metric_families(self.text()):
            yield from family.samples

    def __getitem__(self, name: str) -> float:
        [wanted] = [sample for family in text_string_to_metric_families(f"{name} 0\n") for sample in family.samples]
        [found] = [s.value for s in self.samples() if (s.name, s.labels) == (wanted.name, wanted.labels)]
        return found

    def names(self) -> set[str]:
        return {sample.name for sample in self.samples()}


def idle_pages() -> list[Page]:
    """Of a worker, a consumer and a judge that have done nothing, but know their lag."""
    worker = WorkerFigures()
    worker.routes.append(Route(ScriptedModel(), worker.breaker))
    pages = [Page(worker), Page(ConsumerFigures()), Page(WorkerFigures(judging=JudgingTally()))]
    for page in pages:
        page.lag.note([PartitionLag("feedback.records", 0, None, 0, 0)])
    return pages
