"""The API over ports in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx

from api.app import create_app
from domain.agreement import AgreementCounts, AgreementQuestion, CodeCounts
from domain.keys import NOBODY, Asker
from domain.usage.answers import Group, Measures, Spread, UsageAnswer
from domain.usage.questions import UsageQuestion
from domain.usage.report import Window
from tests.usage_support import MemoryKeys

WINDOW = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
AS_OF = datetime(2026, 12, 2, 8, 30, tzinfo=UTC)
NOVEMBER = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))


class ScriptedUsage:
    """Notes what it is asked, and answers one call of two groups; raises `error` where there is one.

    `given` holds other answers, which are given one after the other.
    """

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.askers: list[Asker] = []
        self.error: Exception | None = None
        self.given: list[UsageAnswer] = []

    def note(self, question: Any) -> None:
        self.asked.append(question)
        if self.error is not None:
            raise self.error

    async def answers(self, questions: Sequence[UsageQuestion], asker: Asker = NOBODY) -> list[UsageAnswer]:
        return [await self.answer(question, asker) for question in questions]

    async def answer(self, question: UsageQuestion, asker: Asker = NOBODY) -> UsageAnswer:
        self.note(question)
        self.askers.append(asker)
        if self.given:
            return self.given.pop(0)
        one = Measures(total=1)
        names = ("a", "b") if question.group_by else ()
        groups = tuple(Group(keys=dict.fromkeys(question.group_by, name), llm_calls=one) for name in names)
        return UsageAnswer(groups=groups, total=Group(llm_calls=one), as_of=AS_OF)


class ScriptedAgreement:
    """Notes what it is asked and counts two records; raises `error` where there is one."""

    def __init__(self) -> None:
        self.asked: list[AgreementQuestion] = []
        self.askers: list[Asker] = []
        self.error: Exception | None = None

    async def of(self, question: AgreementQuestion, asker: Asker = NOBODY) -> AgreementCounts:
        self.asked.append(question)
        self.askers.append(asker)
        if self.error is not None:
            raise self.error
        return AgreementCounts(2, 1, (CodeCounts("b", 0, 1, 0), CodeCounts("a", 1, 1, 1)))


def measures(total: int, cost: str = "0") -> Measures:
    spread = Spread(avg=1.5, min=1, max=2, total=3, percentiles={"50": 1.4})
    return Measures(total=total, cost_usd=Decimal(cost), duration_ms=spread, input_tokens=spread, output_tokens=spread)


def answer_of(*names: str | None, dimension: str = "operation", as_of: datetime = AS_OF) -> UsageAnswer:
    groups = tuple(Group(keys={dimension: name}, llm_calls=measures(1, "0.25")) for name in names)
    total = Group(llm_calls=measures(len(names), str(Decimal("0.25") * len(names))))
    return UsageAnswer(groups=groups, total=total, as_of=as_of)


class Rig:
    """A client of the API, with a tenant's key and a superuser's."""

    def __init__(self) -> None:
        self.usage, self.agreement, self.keys, self.is_ready = ScriptedUsage(), ScriptedAgreement(), MemoryKeys(), True
        self.app = create_app(self.usage, self.keys, self.ready, agreement_reader=self.agreement)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://api")

    async def ready(self) -> bool:
        self.usage.note("ready")
        return self.is_ready

    async def get(self, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        return await self.client.get(path, headers=headers, **options)


def told(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an error; its envelope is checked on the way."""
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "request_id"}
    assert body["error"]["request_id"] == response.headers["X-Request-ID"]
    assert body["error"]["message"].endswith(".")
    return response.status_code, body["error"]["code"]
