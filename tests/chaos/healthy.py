"""Evidence as a system that does everything right would leave it, kills included: what the checker is proved on."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

from schemas.cloudevents import deterministic_id
from tests.chaos.evidence import (
    Call,
    CallMessage,
    Disturbance,
    Evidence,
    Input,
    Letter,
    Partition,
    Place,
    Result,
    Served,
    Snapshot,
    Totals,
    Vitals,
)
from tests.chaos.invariants.accounts import EVERYTHING, of_operation, of_tenant

RECORDS, LETTERS, CALLS = "feedback.records", "feedback.dead-letters", "llm.calls"
RESULTS = {"assign_codes": "feedback.code-assignments", "summarize": "feedback.summaries"}
BOTH = tuple(RESULTS)
TENANT = "tenant-1"
METRICS = {"metrics of worker, 1": "feedback_in_flight 0\n"}
SECRET = 'canary/é "7f3a" ~ kept?'
KINDS = {
    "both": BOTH,
    "one": ("summarize",),
    "half": BOTH,  # its coding is a dead letter
    "refused": BOTH,  # both of its operations are dead letters
    "broken": (),  # a dead letter for the whole of it
    "null": (),
    "large": (),  # its dead letter fits nowhere with its bytes
    "skipped": BOTH,
    "twice": BOTH,  # published twice with different bytes
    "replayed": ("summarize",),  # a dead letter, then sent again with success
    "retried": BOTH,  # each first attempt is answered with 500
    "unreached": BOTH,  # each first attempt finds nobody
    "hung": BOTH,  # each first attempt is hung up on
}
"""What the inputs of a story are like, and what they ask for."""

_REASONS = {
    "half": "framework_missing",
    "refused": "invalid_output",
    "broken": "not_json",
    "null": "not_json",
    "large": "too_large",
    "replayed": "deadline_exceeded",
}
_FAILED_OPERATIONS = {"half": ("assign_codes",), "refused": BOTH, "replayed": ("summarize",)}


class Story:
    """Writes down, input by input, what happens on the topics, at the provider and in the table.

    Inputs stand on two partitions in turn, each is answered at once, and a commit follows every `commit_every` inputs,
    with a sample after it. A kill undoes what came after the last commit, and cuts off a call.
    """

    def __init__(self, commit_every: int = 4) -> None:
        self._commit_every = commit_every
        self.inputs: list[Input] = []
        self.messages: list[Result] = []
        self.letters: list[Letter] = []
        self.letters_of_calls: list[Letter] = []
        self.topic: list[CallMessage] = []
        self.rows: list[Call] = []
        self.served: list[Served] = []
        self.disturbances: list[Disturbance] = []
        self.samples: list[Snapshot] = []
        self._ends: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}
        self._since_commit: list[tuple[str, Input]] = []
        self._clock = 0.0

    def tell(self, kind: str) -> None:
        """An input is published and answered."""
        name = f"{kind}-{len(self.inputs)}"
        self._answer(kind, self._publish(kind, name))
        if kind == "twice":
            self._answer(kind, self._publish(kind, name, " "))
        if kind == "replayed":
            again = replace(self._publish(kind, name), reason=None, replayed=True)
            self.inputs[-1] = again
            self._answer("one", again)
        if len(self._since_commit) >= self._commit_every:
            self.commit()

    def commit(self) -> None:
        """All that is finished is committed, and a sample is taken."""
        for _, given in self._since_commit:
            self._committed[given.place[:2]] = given.place[2] + 1
        self._since_commit.clear()
        self.samples.append(self._snapshot())

    def kill(self) -> None:
        """A worker is killed in a call; what it did since the last commit is done again."""
        then, began = self._snapshot(), self._tick()
        cut = self._since_commit[-1:]
        for _, given in cut:
            for operation in given.operations:
                self.served.append(Served(given.event_id, operation, began - 1, began + 1, None))
        self.disturbances.append(Disturbance("kill", "SIGKILL of a worker", 1, then, began, self._tick()))
        for kind, given in tuple(self._since_commit):
            self._outcomes(kind, given)

    def evidence(self) -> Evidence:
        """All of it, with two messages on `llm.calls` that no provider knows of and two that are dead letters."""
        foreign = Call("foreign", "other", "transcribe", "x", "ok", None, 200, 5, 5, Decimal(1))
        self.rows.append(foreign)
        self._on_topic(foreign)
        self._refuse(self._on_topic(None))
        self._refuse(self._on_topic(replace(foreign, call_id="refused")))
        self.samples.append(self._snapshot())
        told = usage_of(self.rows)
        mebibytes = 2**20
        return Evidence(
            inputs=tuple(self.inputs),
            messages=tuple(self.messages),
            letters=tuple(self.letters),
            letters_of_calls=tuple(self.letters_of_calls),
            topic_calls=tuple(self.topic),
            foreign_calls=frozenset({"foreign", "refused"}),
            rows=tuple(self.rows),
            served=tuple(self.served),
            disturbances=tuple(self.disturbances),
            samples=tuple(self.samples),
            watched_seconds=2.0 * len(self.samples),
            told_by_api=told,
            told_by_sql=told,
            vitals={"worker": (Vitals(200 * mebibytes, 40, 50), Vitals(219 * mebibytes, 43, 54))},
            watched=("worker",),
            texts={"worker.log": "all is well\n"} | METRICS,
            secrets=(SECRET, "sk-0123456789abcdef"),
        )

    # what happens

    def _publish(self, kind: str, name: str, more: str = "") -> Input:
        place = self._next(RECORDS, len(self.inputs) % 2)
        operations, reason = KINDS[kind], _REASONS.get(kind)
        tenant = TENANT if operations else None
        digest = None if kind == "null" else _hash(name + more)
        odd = {"skipped": kind == "skipped", "uncarried": kind == "large"}
        given = Input(place, name, tenant, operations, digest, reason, **odd)
        self.inputs.append(given)
        return given

    def _answer(self, kind: str, given: Input) -> None:
        self._outcomes(kind, given)
        self._since_commit.append((kind, given))

    def _outcomes(self, kind: str, given: Input) -> None:
        if kind == "skipped":
            return
        if not given.operations:
            self._letter(given, "")
        failed = _FAILED_OPERATIONS.get(kind, ())
        for operation in given.operations:
            self._calls(kind, given, operation)
            if operation in failed:
                self._letter(given, operation)
            else:
                place = self._next(RESULTS[operation], given.place[1])
                result = str(deterministic_id(given.event_id, operation))
                self.messages.append(Result(place, result, TENANT, given.event_id))

    def _letter(self, given: Input, operation: str) -> None:
        self.letters.append(
            Letter(
                place=self._next(LETTERS, 0),
                dead_letter_id=str(deterministic_id(given.event_id, "dead_letter", operation)),
                result_id=str(deterministic_id(given.event_id, operation)) if operation else None,
                operation=operation or None,
                reason=given.reason or "",
                tenant_id=given.tenant_id,
                source=given.place,
                sha256=None if given.uncarried else given.sha256,
            )
        )

    def _calls(self, kind: str, given: Input, operation: str) -> None:
        if kind == "retried":
            self.served.append(Served(given.event_id, operation, self._tick(), self._tick(), 500))
            self._row(given, operation, 500)
        if kind == "hung":
            self.served.append(Served(given.event_id, operation, self._tick(), self._tick(), None))
        if kind in ("unreached", "hung"):
            self._row(given, operation, None)
        tokens, cost = 100 + len(self.rows), Decimal(len(self.rows) + 1) / 1000
        self.served.append(Served(given.event_id, operation, self._tick(), self._tick(), 200, tokens, 7, cost))
        self._row(given, operation, 200, tokens, cost)

    def _row(
        self, given: Input, operation: str, status: int | None, tokens: int | None = None, cost: Decimal | None = None
    ) -> None:
        said, why = ("ok", None) if status == 200 else ("error", "Timeout")
        out = None if tokens is None else 7
        call = Call(f"call-{len(self.rows)}", TENANT, operation, given.event_id, said, why, status, tokens, out, cost)
        self.rows.append(call)
        self._on_topic(call)

    def _on_topic(self, call: Call | None) -> Place:
        place = self._next(CALLS, 0)
        self.topic.append(CallMessage(place, call))
        return place

    def _refuse(self, source: Place) -> None:
        place = self._next(LETTERS, 0)
        self.letters_of_calls.append(Letter(place, f"of-{source[2]}", None, None, "not_json", None, source, None))

    def _next(self, topic: str, partition: int) -> Place:
        offset = self._ends.get((topic, partition), 0)
        self._ends[topic, partition] = offset + 1
        return topic, partition, offset

    def _snapshot(self) -> Snapshot:
        ends = {partition: end for partition, end in self._ends.items() if partition[0] != RECORDS}
        return Snapshot(self._tick(), dict(self._committed), ends)

    def _tick(self) -> float:
        self._clock += 5
        return self._clock


def healthy(kinds: Sequence[str], kills: Sequence[int] = (), commit_every: int = 4) -> Evidence:
    """A story of inputs of these kinds; after the inputs numbered by `kills`, counted from 0, a worker is killed."""
    story = Story(commit_every)
    for number, kind in enumerate(kinds):
        story.tell(kind)
        if number in kills:
            story.kill()
    return story.evidence()


def usage_of(rows: Sequence[Call]) -> dict[str, Totals]:
    """What rows sum up to, by what the sums are of."""
    parts: dict[str, list[Call]] = {EVERYTHING: list(rows)}
    for row in rows:
        for part in (of_tenant(row.tenant_id), of_operation(row.operation)):
            parts.setdefault(part, []).append(row)
    return {
        part: Totals(
            len(calls),
            sum(call.status != "ok" for call in calls),
            sum(call.cost_usd is None for call in calls),
            sum(call.input_tokens or 0 for call in calls),
            sum(call.output_tokens or 0 for call in calls),
            sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0)),
        )
        for part, calls in parts.items()
    }


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
