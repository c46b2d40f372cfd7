"""How a consumer reads, whatever it reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TableConsumerSettings:
    """How topics are read.

    Attributes:
        kafka: how to reach Kafka, as aiokafka's client takes it: `bootstrap_servers`, security.
        group_id: the consumer group; replicas of one group share the partitions.
        drain_seconds: how long the batch under way may take once `stop` is set, and before partitions are given up.
        max_rows: the largest batch.
        max_wait_seconds: how long a batch may wait for more messages once it has one.
        commit_seconds: how long Kafka may take to acknowledge offsets.
        session_seconds: after how long without a heartbeat Kafka gives our partitions to others.
    """

    kafka: Mapping[str, Any] = field(repr=False)
    group_id: str
    drain_seconds: float
    max_rows: int = 5_000
    max_wait_seconds: float = 0.2
    commit_seconds: float = 10.0
    session_seconds: float = 10.0
