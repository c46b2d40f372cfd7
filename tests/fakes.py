"""Stand-ins for the world outside: they fulfil the domain's ports, and let a test decide what goes wrong."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from domain.errors import InvalidOutputError
from domain.llm.calls import Attempt, Completion, Cost, Prompt, Usage
from domain.llm.conversation import Answer
from domain.ports import OutboundMessage
from schemas.dead_letters import DeadLetter
from schemas.frameworks import CodingFramework
from schemas.topics import TOPICS
from tests.builders import NOON

T = TypeVar("T")
Script = Callable[[Prompt, Attempt], str | Awaitable[str]]

CODED = json.dumps({"codes": [{"id": "1.1.1", "confidence": [0.9, 0.8, 0.7], "reason": "No water."}]})
SUMMARISED = json.dumps({"title": "Water point is dry", "bullets": ["The water point has been dry for two weeks."]})
ANALYSED = json.dumps({"answer": "One of two records reports a dry tap.", "confidence": 0.7})
SCREENED = json.dumps({"findings": [{"type": "harmful_aid", "confidence": 0.3, "reason": "No water for two weeks."}]})
THEMED = json.dumps(
    {"title": "Dry taps", "themes": [{"title": "Dry tap", "summary": "The tap is dry.", "records": [1]}]}
)
USUAL_ANSWERS = {
    "assign_codes": CODED,
    "summarize": SUMMARISED,
    "analyze": ANALYSED,
    "detect_sensitive": SCREENED,
    "summarize_aggregate": THEMED,
}


class FakePublisher:
    """Collects acknowledged messages. Set `refuse` to make it fail, clear `open` to make it wait.

    Attributes:
        acknowledged: all messages that were published, in order.
        refuse: called with each message before it is taken; it may raise.
        open: messages are acknowledged only while it is set.
    """

    def __init__(self) -> None:
        self.acknowledged: list[OutboundMessage] = []
        self.refuse: Callable[[OutboundMessage], None] = lambda message: None
        self.open = asyncio.Event()
        self.open.set()

    async def publish(self, message: OutboundMessage) -> None:
        self.refuse(message)
        if not self.open.is_set():
            await self.open.wait()
        self.acknowledged.append(message)

    def on(self, topic: str) -> list[dict[str, Any]]:
        """The payloads on a topic, as JSON."""
        return [json.loads(message.value or b"null") for message in self.acknowledged if message.topic == topic]

    def dead_letters(self) -> list[DeadLetter]:
        """The dead letters."""
        return [DeadLetter.model_validate(payload) for payload in self.on("feedback.dead-letters")]

    def counts(self) -> dict[str, int]:
        """How many messages each topic got, those without any left out."""
        known = {topic.name for topic in TOPICS}
        counts = Counter(message.topic for message in self.acknowledged)
        assert set(counts) <= known, "a message to a topic that is not in the registry"
        return dict(counts)


class FakeCatalogue:
    """Frameworks that a test publishes and withdraws.

    Attributes:
        waiting: how many wait for a change now.
    """

    def __init__(self, *frameworks: CodingFramework) -> None:
        self.waiting = 0
        self._frameworks = {(f.tenant_id, f.framework_id): f for f in frameworks}
        self._change = asyncio.Event()

    def find(self, tenant_id: str, framework_id: str) -> CodingFramework | None:
        return self._frameworks.get((tenant_id, framework_id))

    async def changed(self) -> None:
        self.waiting += 1
        try:
            await self._change.wait()
        finally:
            self.waiting -= 1

    def publish(self, framework: CodingFramework) -> None:
        """Make a framework known."""
        self._frameworks[(framework.tenant_id, framework.framework_id)] = framework
        self._tell()

    def withdraw(self, framework: CodingFramework) -> None:
        """Make a framework unknown."""
        del self._frameworks[(framework.tenant_id, framework.framework_id)]
        self._tell()

    def _tell(self) -> None:
        self._change.set()
        self._change = asyncio.Event()


class ScriptedModel:
    """A recorded model that answers as its script says; by default as asked.

    Attributes:
        script: gives the text of an answer (or an awaitable of it), or raises.
        asked: all prompts and attempts, in order.
        receipts: what it leaves on the invocation for each attempt; settled ones by default.
        running, most_running: attempts under way now, and at most.
    """

    name = "scripted/model"

    def __init__(self, script: Script | None = None) -> None:
        self.script: Script = script or (lambda prompt, attempt: USUAL_ANSWERS[prompt.operation])
        self.asked: list[tuple[Prompt, Attempt]] = []
        self.receipts: Callable[[], asyncio.Future[None]] = settled
        self.running = self.most_running = 0

    async def ask(self, prompt: Prompt, attempt: Attempt, parse: Callable[[str], T]) -> Answer[T]:
        self.asked.append((prompt, attempt))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        attempt.invocation.receipts.append(self.receipts())
        try:
            await asyncio.sleep(0)  # as a call over a network would, let others run
            said = self.script(prompt, attempt)
            text = said if isinstance(said, str) else await said
        finally:
            self.running -= 1
        if not text:
            raise InvalidOutputError("The answer is empty.")
        return Answer(parse(text), a_completion(text), self.name)


class FakeClock:
    """A clock that moves only when told, or when somebody sleeps on it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    async def sleep(self, seconds: float) -> None:
        """Sleep without waiting."""
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.Handle:
        """Call back without waiting, that much later on this clock, unless cancelled before."""

        def later() -> None:
            self.seconds = max(self.seconds, due)
            callback()

        due = self.seconds + seconds
        return asyncio.get_running_loop().call_soon(later)

    def now(self) -> datetime:
        """The same clock as a date and time, from noon."""
        return NOON + timedelta(seconds=self.seconds)


def settled() -> asyncio.Future[None]:
    """A receipt that has come."""
    receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    receipt.set_result(None)
    return receipt


def a_completion(text: str | None, model: str | None = "scripted-model-2026") -> Completion:
    """An answer that took 10 tokens in and 5 out, at no known price."""
    return Completion(text, model, Usage(10, 5), Cost(None, "unknown model"))


async def until(condition: Callable[[], Any], turns: int = 10_000) -> None:
    """Let other tasks run until the condition holds; fails after so many turns of the loop."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never held")
