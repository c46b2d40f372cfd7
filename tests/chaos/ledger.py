"""The provider of a case: the local one, with an entry for each request that it saw."""

import asyncio
import re
from dataclasses import dataclass
from decimal import Decimal
from time import monotonic
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web

from tests.chaos.evidence import Served
from tests.llm_answers import read_system
from tests.llm_behaviours import Behaviour
from tests.llm_server import LLMServer, Prices

_SUBJECT = re.compile(r"\[#(\S+?)#\]")
_SHARED = "assign_codes_batch"
_STEPS = {
    "analyze_map": "analyze",
    "analyze_reduce": "analyze",
    "summarize_aggregate_merge": "summarize_aggregate",
    _SHARED: "assign_codes",
}
"""Tasks of one step of an operation, and the operation: its calls are counted together."""


def mark(subject: str) -> str:
    """What the text of an input carries so that the provider knows whose it is."""
    return f"[#{quote(subject)}#]"


@dataclass
class _Entry:
    subject: str
    task: str
    began: float
    ended: float | None = None
    status: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    shared_by: tuple[str, ...] = ()


class Ledger(LLMServer):
    """Counts each request by whose it is; and can hold them all, or be made to fail all.

    Attributes:
        gate: while it is not set, nobody is answered.
        latency: seconds before each answer.
        failing: an HTTP status that everybody gets instead of an answer; None for none.
    """

    def __init__(self, prices: Prices | None = None) -> None:
        super().__init__(prices=prices)
        self.latency = 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing: int | None = None
        self._entries: list[_Entry] = []
        self._billed: tuple[int, int, Decimal] = (0, 0, Decimal(0))
        self._asked = asyncio.Condition()

    def served(self) -> tuple[Served, ...]:
        """All requests so far, in the order in which they came."""
        return tuple(Served(**vars(entry)) for entry in self._entries)

    @property
    def asked(self) -> int:
        """How many requests came so far."""
        return len(self._entries)

    @property
    def under_way(self) -> int:
        """How many are being answered now."""
        return self.tally.in_flight

    async def until_asked(self, count: int, seconds: float = 60) -> None:
        """Return once so many requests have come in all."""
        async with asyncio.timeout(seconds), self._asked:
            await self._asked.wait_for(lambda: len(self._entries) >= count)

    async def _respond(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        messages = body["messages"]
        user = next(message["content"] for message in messages if message["role"] == "user")
        entry = _entry(read_system(messages[0]["content"]).task, [unquote(each) for each in _SUBJECT.findall(user)])
        self._entries.append(entry)
        async with self._asked:
            self._asked.notify_all()
        try:
            await self.gate.wait()
            if self.latency:
                await asyncio.sleep(self.latency)
            if self.failing is not None:
                response: web.StreamResponse = web.json_response({"error": {"message": "no"}}, status=self.failing)
            else:
                self._billed = (0, 0, Decimal(0))
                response = await super()._respond(request, body)
                # No await between the bill and here: the last one is this request's.
                entry.input_tokens, entry.output_tokens, entry.cost_usd = self._billed
                self._billed = (0, 0, Decimal(0))
            # Who is gone by now was not answered.
            gone = request.transport is None or request.transport.is_closing()
            entry.status = None if gone else response.status
        finally:
            entry.ended = monotonic()
        return response

    def _bill(self, usage: dict[str, Any] | None, odd: dict[str, Behaviour]) -> None:
        before = self.tally.input_tokens, self.tally.output_tokens, self.tally.cost_usd
        super()._bill(usage, odd)
        after = self.tally.input_tokens, self.tally.output_tokens, self.tally.cost_usd
        self._billed = after[0] - before[0], after[1] - before[1], after[2] - before[2]


def _entry(task: str, subjects: list[str]) -> _Entry:
    shared = tuple(subjects) if task == _SHARED else ()
    subject = "" if shared else next(iter(subjects), "?")
    return _Entry(subject, _STEPS.get(task, task), monotonic(), shared_by=shared)
