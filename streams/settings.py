"""What a worker needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from schemas.topics import RECORDS, REQUESTS, RESULTS


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker of the group. Times are in seconds.

    Attributes:
        bootstrap_servers: Kafka's addresses, `host:port,host:port`.
        group_id: the consumer group; all workers of a system share it.
        instance_id: this worker's lasting name in the group (static membership): one that is killed and started again
            under the same name has its partitions back at once, without a rebalance. No two workers may share one.
        window: inputs taken from Kafka and not yet released, all topics together. The handler bounds how many of them
            it works on at a time, by `ready_for_more`. More than it works on and lets wait for a framework, or those
            that wait hold up their neighbours.
        drain_seconds: how long inputs in flight may take to finish after a stop was asked for.
        records_topic, requests_topic: the input topics; tests and benches on a shared Kafka have their own.
        result_topics: what a judge reads.
        buffer: messages fetched beyond the window.
        revoke_seconds: the same when Kafka takes partitions away; well below `rebalance_seconds`.
        commit_seconds: between two commits; what finished since the last one is repeated after a crash.
        session_seconds, heartbeat_seconds, rebalance_seconds: Kafka's group membership.
        poll_seconds: a worker whose event loop stands still for so long leaves the group.
        data_directory: Faust wants one; nothing is kept there.
        security: TLS and SASL as aiokafka's clients take them: `security_protocol`, `ssl_context`, `sasl_mechanism`,
            `sasl_plain_username`, `sasl_plain_password`; empty for neither.
    """

    bootstrap_servers: str
    group_id: str
    instance_id: str | None
    window: int
    drain_seconds: float
    records_topic: str = RECORDS.name
    requests_topic: str = REQUESTS.name
    result_topics: tuple[str, ...] = tuple(topic.name for topic in RESULTS)
    buffer: int = 512
    revoke_seconds: float = 10.0
    commit_seconds: float = 0.25
    session_seconds: float = 10.0
    heartbeat_seconds: float = 2.0
    rebalance_seconds: float = 20.0
    poll_seconds: float = 300.0
    data_directory: Path = Path(gettempdir()) / "feedback-streams"
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.window < 1 or self.buffer < 1:
            raise ValueError("window and buffer must be 1 or more")
        if self.revoke_seconds > 0.75 * self.rebalance_seconds:
            raise ValueError("revoke_seconds must leave a quarter of rebalance_seconds for joining again")
