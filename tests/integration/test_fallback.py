"""A worker's two models over HTTP: the first is down, then back; then it refuses a record."""

import asyncio
from typing import Any

from aiohttp import web

from runtime.metrics.figures import WorkerFigures
from runtime.settings import Settings
from runtime.wiring.answering import Aids, answering, routed_models
from runtime.wiring.parts import delivery_settings
from tests.builders import a_message, a_record
from tests.fakes import FakeCatalogue, FakePublisher
from tests.integration.system_support import eventually
from tests.llm_server import LLMServer, running_llm_server

FIRST, SECOND = "openai/gpt-4o-mini", "openai/gpt-4o"


class Moody(LLMServer):
    """The local provider; while `status` is set, everyone gets it."""

    status: int | None = None

    def app(self) -> web.Application:
        """The HTTP application."""
        app = super().app()
        app.middlewares.append(self._mood)
        return app

    @web.middleware
    async def _mood(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.status is None:
            return await handler(request)
        return web.json_response({"error": {"message": "No.", "type": "x", "code": None}}, status=self.status)


async def test_the_fallback_answers_for_a_model_that_is_down_or_refuses():
    moody = Moody()
    async with running_llm_server(server=moody) as first, running_llm_server() as second:
        settings = Settings(
            llm_model=FIRST,
            llm_api_key="sk-first",
            llm_api_base=first.base_url,
            llm_fallback_model=SECOND,
            llm_fallback_api_key="sk-second",
            llm_fallback_api_base=second.base_url,
        )
        events, figures = FakePublisher(), WorkerFigures()
        async with routed_models(settings, events, figures.calls, figures.breaker, figures.routes) as routing:
            handler = answering(routing, events, FakeCatalogue(), delivery_settings(settings), Aids())

            async def handle(name: str) -> list[tuple[str, int | None]]:
                """Bring one record to its outcome; the models that were asked for it, with what they said."""
                record = a_record(record_id=name, content=f"Report {name}.", operations=["summarize"])
                await handler.handle(a_message(record))
                calls = [call for call in events.on("llm.calls") if call["record_id"] == name]
                return [(call["request_model"], call["http_status"]) for call in calls]

            def answered_by(name: str) -> str:
                return next(one["model"] for one in events.on("feedback.summaries") if one["record_id"] == name)

            first.status = 500
            found = await asyncio.gather(*(handle(f"down-{n}") for n in range(8)))
            assert all(calls[-1][0].endswith("gpt-4o") for calls in found)
            assert any(status == 500 for calls in found for _, status in calls)
            assert figures.breaker.is_open
            assert "mini" not in answered_by("down-0")

            first.status = None
            names = iter(range(10_000))

            async def recovered() -> bool:
                return "mini" in (await handle(f"back-{next(names)}"))[-1][0]

            await eventually(recovered)
            assert not figures.breaker.is_open

            first.status = 400
            calls = await handle("refused")
            assert [status for _, status in calls] == [400, 200]
            assert "mini" not in answered_by("refused")
            assert not figures.breaker.is_open
    assert not events.dead_letters()
