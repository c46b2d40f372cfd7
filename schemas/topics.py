"""The one registry of topics: name, what travels there, how it is keyed and kept."""

from dataclasses import dataclass, field

from schemas.base import Event
from schemas.budgets import BudgetThresholdCrossed
from schemas.corrections import CodesCorrected
from schemas.dead_letters import DeadLetter
from schemas.frameworks import CodingFramework
from schemas.llm_calls import LLMCall
from schemas.progress import AnalysisProgressed, SummaryProgressed
from schemas.records import FeedbackRecordSubmitted
from schemas.requests import AnalysisRequested, SummaryRequested
from schemas.results import (
    AnalysisCompleted,
    CodesAssigned,
    RecordsSummarized,
    RecordSummarized,
    ResultJudged,
    SensitivityDetected,
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic of ours.

    Attributes:
        name: the topic's name.
        events: the models of the payloads that may travel on it.
        key: what its keys hold, in words.
        written_by, read_by: who is at its two ends.
        compacted: whether Kafka keeps only the newest value of each key.
        config: further topic settings, by Kafka's own names.
    """

    name: str
    events: tuple[type[Event], ...]
    key: str
    written_by: str
    read_by: str
    compacted: bool = False
    config: tuple[tuple[str, str], ...] = field(default=())


RECORDS = Topic("feedback.records", (FeedbackRecordSubmitted,), "record id", "CRM", "streams")
FRAMEWORKS = Topic(
    "feedback.frameworks", (CodingFramework,), "tenant id/framework id", "CRM", "streams", compacted=True
)
REQUESTS = Topic("feedback.requests", (AnalysisRequested, SummaryRequested), "request id", "CRM", "streams")
CODE_ASSIGNMENTS = Topic("feedback.code-assignments", (CodesAssigned,), "record id", "streams", "dashboards, consumers")
CORRECTIONS = Topic("feedback.corrections", (CodesCorrected,), "record id", "CRM, analysts", "consumers, streams")
SUMMARIES = Topic(
    "feedback.summaries",
    (RecordSummarized, RecordsSummarized, SummaryProgressed),
    "record or request id",
    "streams",
    "dashboards",
)
SENSITIVITY = Topic("feedback.sensitivity", (SensitivityDetected,), "record id", "streams", "dashboards")
ANALYSES = Topic("feedback.analyses", (AnalysisCompleted, AnalysisProgressed), "request id", "streams", "dashboards")
JUDGEMENTS = Topic("feedback.judgements", (ResultJudged,), "result id", "streams", "dashboards")
LLM_CALLS = Topic("llm.calls", (LLMCall,), "invocation id", "streams, or any other service", "consumers")
USAGE_ALERTS = Topic("usage.alerts", (BudgetThresholdCrossed,), "tenant id", "budgets", "whoever pays")
# A dead letter carries the original bytes in base64, 4/3 of an input that may be close to Kafka's limit of 1 MiB. It is
# kept for 45 days, whatever the broker keeps else: what a spent budget of a month leaves undone waits there.
DEAD_LETTERS = Topic(
    "feedback.dead-letters",
    (DeadLetter,),
    "original key",
    "everyone",
    "operators, consumers",
    config=(("max.message.bytes", str(2 * 1024 * 1024)), ("retention.ms", str(45 * 24 * 3600 * 1000))),
)

INPUTS: tuple[Topic, ...] = (RECORDS, FRAMEWORKS, REQUESTS, CORRECTIONS, CODE_ASSIGNMENTS, LLM_CALLS)
"""What inputs come from: what our own programs read, and write dead letters about."""

READ_BESIDE_CALLS: tuple[Topic, ...] = (CODE_ASSIGNMENTS, CORRECTIONS, DEAD_LETTERS)
"""What consumers read beside `llm.calls`, in a group of its own."""

RESULTS: tuple[Topic, ...] = (CODE_ASSIGNMENTS, SUMMARIES, SENSITIVITY, ANALYSES)
"""Where results travel: what dashboards read, and judges."""

TOPICS: tuple[Topic, ...] = (
    RECORDS,
    FRAMEWORKS,
    REQUESTS,
    CODE_ASSIGNMENTS,
    CORRECTIONS,
    SUMMARIES,
    SENSITIVITY,
    ANALYSES,
    JUDGEMENTS,
    LLM_CALLS,
    USAGE_ALERTS,
    DEAD_LETTERS,
)
"""Every topic, in the order of the flow."""
