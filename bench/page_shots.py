"""Pictures of the page at `/`, for the README: generated calls in a real database, the real API, headless Chromium.

    python -m bench.page_shots [--database URL] [--into DIRECTORY]

Nothing is measured here. The calls are a year of five tenants that grow, rest at weekends, and fail a little.
"""

import argparse
import asyncio
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.dead_letter_counts import PostgresDeadLetterReader
from adapters.postgres.engine import DatabaseSettings, create_engine
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.migrate import migrate
from adapters.postgres.usage.failures import PostgresFailureAnswers
from adapters.postgres.usage.reader import PostgresUsageAnswers
from adapters.postgres.usage.roller import PostgresUsageRoller
from api.app import create_app
from api.server import listen, serve
from bench.servers import ROOT
from bench.usage_write import database
from schemas.llm_calls import LLMCall
from tests.browser import Browser

DAYS = 365
CALLS_A_DAY = 160
AT_ONCE = 5000
TENANTS = {"red-river-relief": 8, "harbour-clinics": 5, "delta-water": 4, "northern-shelter": 2, "hill-schools": 1}
OPERATIONS = {"assign_codes": (11, 1.0), "summarize": (4, 1.4), "detect_sensitive": (3, 0.7), "analyze": (2, 4.0)}
MODELS = {"gpt-5-mini": (10, 0.0011), "claude-sonnet-5": (6, 0.0046), "gemini-3-flash": (3, 0.0008)}
ERRORS = {"RateLimitedError": 5, "LLMTimeoutError": 3, "InvalidOutputError": 1}
PICTURES = {
    "usage-light": {"width": 1280, "height": 900, "dark": False},
    "usage-dark": {"width": 1280, "height": 900, "dark": True},
    "usage-phone": {"width": 390, "height": 844, "dark": False},
}
SHOWN = "!document.documentElement.classList.contains('busy') && document.querySelector('#tile-cost data').value"


def calls(seed: int = 7) -> Iterator[LLMCall]:
    """A year of calls that ends now; the same ones for the same seed and moment."""
    draw, now = random.Random(seed), datetime.now(UTC)
    for back in range(DAYS - 1, -1, -1):
        day = (now - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        busy = (0.3 if day.weekday() > 4 else 1.0) * (1.3 - back / DAYS) * draw.uniform(0.8, 1.2)
        trouble = 0.02 + 0.03 * math.exp(-abs(back - 9) / 2)
        for _ in range(round(CALLS_A_DAY * busy)):
            began = day + timedelta(hours=min(23.9, max(0.0, draw.gauss(13, 4))))
            if began < now:
                yield _call(draw, began, trouble)


def _call(draw: random.Random, began: datetime, trouble: float) -> LLMCall:
    def chosen(weights: dict[str, Any]) -> str:
        numbers = [weight[0] if isinstance(weight, tuple) else weight for weight in weights.values()]
        return draw.choices(list(weights), numbers)[0]

    operation, model, failed = chosen(OPERATIONS), chosen(MODELS), draw.random() < trouble
    size = OPERATIONS[operation][1] * draw.lognormvariate(0, 0.35)
    duration = 480 * size * draw.lognormvariate(0, 0.45)
    paid = None if failed and draw.random() < 0.6 else Decimal(f"{MODELS[model][1] * size:.9f}")
    fields: dict[str, Any] = {
        "call_id": UUID(int=draw.getrandbits(128), version=4),
        "tenant_id": chosen(TENANTS),
        "operation": operation,
        "invocation_id": UUID(int=draw.getrandbits(128), version=4),
        "invocation_started_at": began,
        "timestamp": began,
        "call_duration_ms": duration,
        "provider": model.partition("-")[0],
        "request_model": model,
        "model": model,
        "input_tokens": round(900 * size),
        "output_tokens": round(70 * size),
        "cost_usd": Decimal(0) if failed and paid is None else paid,
        "cost_source": "price list",
        "status": "error" if failed else "ok",
        "error_class": chosen(ERRORS) if failed else None,
        "attempt": 1,
        "prompt_version": f"{operation}.v1",
    }
    return LLMCall(**fields)


async def fill(engine: AsyncEngine) -> None:
    """Store the calls, and roll them up."""
    sink, given = PostgresLLMCallSink(engine), list(calls())
    for first in range(0, len(given), AT_ONCE):
        await sink.write(given[first : first + AT_ONCE])
    roller = PostgresUsageRoller(engine)
    while (rolled := await roller.roll()) is not None and (rolled.days or rolled.weeks or rolled.months):
        pass


async def pictures(origin: str, key: str, into: Path) -> None:
    """Log in and take the pictures."""
    async with Browser.started() as browser:
        for name, how in PICTURES.items():
            page = await browser.page(how["width"], how["height"], zone="UTC")
            await page.scheme(dark=bool(how["dark"]), still=True)
            await page.go(f"{origin}/#range=30d&zone=UTC")
            await page.fill("#key", key)
            await page.press("Enter")
            await page.wait(SHOWN)
            await page.evaluate("document.activeElement.blur()")
            await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            picture = await page.screenshot()
            await asyncio.to_thread((into / f"{name}.png").write_bytes, picture)
            print(f"{name}.png: {len(picture) // 1000} kB")
            await page.close()


async def run(url: str | None, into: Path) -> None:
    """The whole of it, on a database of its own."""
    async with database(url) as address:
        settings = DatabaseSettings(url=address)
        await migrate(settings)
        engine = create_engine(settings)
        await fill(engine)
        keys, stop = PostgresKeyStore(engine), asyncio.Event()

        async def ready() -> bool:
            return True

        listener = listen("127.0.0.1", 0)
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(
            PostgresUsageAnswers(engine),
            keys,
            ready,
            failure_answers=PostgresFailureAnswers(engine),
            dead_letter_reader=PostgresDeadLetterReader(engine),
        )
        serving = asyncio.create_task(serve(app, listener, stop))
        try:
            await pictures(origin, (await keys.create("analysts", superuser=True)).text, into)
        finally:
            stop.set()
            await serving
            await engine.dispose()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default=None, help="URL of an empty database, instead of an embedded one")
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "screenshots", help="directory of the pictures")
    given = parser.parse_args()
    asyncio.run(run(given.database, given.into))


if __name__ == "__main__":
    main()
