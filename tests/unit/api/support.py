"""The API over ports in memory."""

from datetime import UTC, datetime
from typing import Any

import httpx

from api.app import create_app
from domain.agreement import AgreementCounts, AgreementQuestion, CodeCounts
from domain.usage.report import OperationUsage, TenantUsage, View, Window
from tests.usage_support import MemoryKeys

WINDOW = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
NOVEMBER = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))


class ScriptedUsage:
    """Notes what it is asked and answers one call for everyone; raises `error` where there is one."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    def _note(self, *question: Any) -> None:
        self.asked.append(question)
        if self.error is not None:
            raise self.error

    async def of_tenant(self, tenant_id: str, window: Window) -> TenantUsage:
        self._note(tenant_id, window)
        return TenantUsage(tenant_id=tenant_id, start=window.start, end=window.end, llm_calls=View(total=1))

    async def by_tenant(self, window: Window) -> list[TenantUsage]:
        self._note("by_tenant", window)
        return [TenantUsage(tenant_id=name, start=window.start, end=window.end) for name in ("a", None)]

    async def by_operation(self, window: Window) -> list[OperationUsage]:
        self._note("by_operation", window)
        return [OperationUsage(operation=name, start=window.start, end=window.end) for name in ("x y", None)]


class ScriptedAgreement:
    """Notes what it is asked and counts two records; raises `error` where there is one."""

    def __init__(self) -> None:
        self.asked: list[AgreementQuestion] = []
        self.error: Exception | None = None

    async def of(self, question: AgreementQuestion) -> AgreementCounts:
        self.asked.append(question)
        if self.error is not None:
            raise self.error
        return AgreementCounts(2, 1, (CodeCounts("b", 0, 1, 0), CodeCounts("a", 1, 1, 1)))


class Rig:
    """A client of the API, with a tenant's key and a superuser's."""

    def __init__(self) -> None:
        self.usage, self.agreement, self.keys, self.is_ready = ScriptedUsage(), ScriptedAgreement(), MemoryKeys(), True
        self.app = create_app(self.usage, self.keys, self.ready, agreement_reader=self.agreement)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://api")

    async def ready(self) -> bool:
        self.usage._note("ready")
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
