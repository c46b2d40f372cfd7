"""What was observed of one case, as plain values: what went in, what came out, who was disturbed, what was counted.

Nothing here reads a server; `collect.py` fills it, `checker.py` judges it. Places are `(topic, partition, offset)`;
moments are seconds on one monotonic clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

Place = tuple[str, int, int]
Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Input:
    """A message that the broker acknowledged to whoever published it.

    Attributes:
        place: where it stands.
        event_id: who it is, as results name it; duplicates share it.
        tenant_id: whose it is; None where it cannot be read.
        operations: what was asked of it; empty where the whole input can only become a dead letter.
        sha256: of its value; None for a null.
        reason: the dead letter that it was made to become; None for an input with results.
        replayed: whether it was sent again by a replay.
        skipped: whether nobody is to answer it: a part of the case took it from the topic before it was read.
        uncarried: whether it is so large that its dead letter cannot carry it.
        answers: for a part of a request, what the id of the request's one result derives from, instead of `event_id`.
        calls_at_once: how many LLM calls may be under way for each of its operations.
    """

    place: Place
    event_id: str
    tenant_id: str | None
    operations: tuple[str, ...]
    sha256: str | None
    reason: str | None = None
    replayed: bool = False
    skipped: bool = False
    uncarried: bool = False
    answers: str | None = None
    calls_at_once: int = 1

    @property
    def answered_as(self) -> str:
        """What the ids of its results derive from."""
        return self.answers or self.event_id


@dataclass(frozen=True, slots=True)
class Result:
    """A result as it stands on a topic of results."""

    place: Place
    result_id: str
    tenant_id: str
    subject: str  # the record's or the request's id


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it stands on its topic.

    Attributes:
        source: the place of the input.
        sha256: of the bytes it carries.
        message: what it says to people.
    """

    place: Place
    dead_letter_id: str
    result_id: str | None
    operation: str | None
    reason: str
    tenant_id: str | None
    source: Place
    sha256: str | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """An LLM call: as an event on `llm.calls`, as a row of the table. Tokens and cost are None where unknown."""

    call_id: str
    tenant_id: str
    operation: str
    record_id: str | None
    status: str
    error_class: str | None
    http_status: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class CallMessage:
    """A message on `llm.calls`: the call that it tells of, None where it is no such event."""

    place: Place
    call: Call | None


@dataclass(frozen=True, slots=True)
class Served:
    """A request as the provider saw it. `ended` is None while it is being answered; tokens only of complete answers.

    Attributes:
        subject: the record's or request's id, read from the text that came; "" for a call that several records share.
        task: the operation.
        status: the HTTP status that was answered; None where the caller hung up before, or was cut off.
        shared_by: the records of a call that several share.
    """

    subject: str
    task: str
    began: float
    ended: float | None
    status: int | None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    shared_by: tuple[str, ...] = ()

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whose it is: one, or all that share it."""
        return self.shared_by or (self.subject,)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """At one moment: the committed offsets of the workers' group, and then how far each topic of outcomes reached.

    `ends` is read after `committed`, so that an outcome behind a commit is always among them.
    """

    at: float
    committed: Mapping[Partition, int]
    ends: Mapping[Partition, int]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What can make work be done again: a kill, a rebalance, a broker that went away.

    Attributes:
        kind: "kill" for a SIGKILL, which also ends calls without a trace; another word for all else.
        what: for people.
        in_flight: inputs that may have been at work, at most.
        then: how things stood.
        began, ended: a call that the provider was answering in between (a moment before included) may have no event.
        partitions: those that may be read again from their commits: of whom it happened to; None for all.
    """

    kind: str
    what: str
    in_flight: int
    then: Snapshot
    began: float
    ended: float
    partitions: frozenset[Partition] | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """What one process holds: resident memory in bytes, open descriptors, asyncio tasks (None where not told)."""

    memory: int
    descriptors: int
    tasks: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What was used, as one of its two tellers says. Tokens are those of the calls that did not fail."""

    calls: int
    failed: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal


@dataclass(frozen=True)
class Evidence:
    """All that was observed of a case.

    Attributes:
        messages, letters: everything on the topics of results and of dead letters, repeats among them.
        letters_of_calls: dead letters whose source is `llm.calls`.
        topic_calls: everything on `llm.calls`.
        foreign_calls: call ids that the case itself published there: no provider knows of them.
        rows: everything in the table.
        served: everything that the provider saw.
        samples: taken every second while the case ran.
        watched_seconds: for how long they were; 0 where nobody tells.
        told_by_api, told_by_sql: the usage by what it is of ("everything", "tenant acme"); None where the case has no
            database.
        vitals: by process that lived through the case, before and after.
        watched: the processes that lived from before the first input to the end: someone must have looked at them.
        texts: whatever people could read of the case, by name: logs, metrics ("metrics of worker, 1"), rows,
            exceptions.
        secrets: what must be in none of them.
        outcome_may_change: an input may have both a result and a dead letter without having been replayed (a kill in
            between): the result counts.
    """

    inputs: tuple[Input, ...]
    messages: tuple[Result, ...]
    letters: tuple[Letter, ...]
    letters_of_calls: tuple[Letter, ...] = ()
    topic_calls: tuple[CallMessage, ...] = ()
    foreign_calls: frozenset[str] = frozenset()
    rows: tuple[Call, ...] = ()
    served: tuple[Served, ...] = ()
    disturbances: tuple[Disturbance, ...] = ()
    samples: tuple[Snapshot, ...] = ()
    watched_seconds: float = 0.0
    told_by_api: Mapping[str, Totals] | None = None
    told_by_sql: Mapping[str, Totals] | None = None
    vitals: Mapping[str, tuple[Vitals, Vitals]] = field(default_factory=dict)
    watched: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    outcome_may_change: bool = False
