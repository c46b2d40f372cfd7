"""What the tests of the page share: a served API with calls in its database, and a person at a browser."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx

from adapters.postgres.dead_letter_counts import PostgresDeadLetterReader
from adapters.postgres.dead_letters import PostgresDeadLetterSink
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.usage.failures import PostgresFailureAnswers
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from api.server import listen, serve
from domain.errors import UsageUnavailableError
from domain.ports import DeadLetterRow
from domain.usage.questions import UsageQuestion
from schemas.llm_calls import LLMCall
from tests.browser import Browser, Page
from tests.dead_letters_support import a_dead_letter_row
from tests.usage_support import llm_call, migrated_database

QUIET = "!document.documentElement.classList.contains('busy')"
SHOWN = (
    f"document.documentElement.dataset.open === 'figures' && {QUIET} && document.querySelector('#tile-cost data').value"
)
WIDTH = "document.documentElement.scrollWidth"
LOGGED_OUT = "document.documentElement.dataset.open === 'log-in'"

# The contrast (WCAG 2.2, 1.4.3) of every text that is seen with what is behind it; the worst, and where it is.
WORST_CONTRAST = """(() => {
    const box = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const read = (color) => {
        box.clearRect(0, 0, 1, 1); box.fillStyle = color; box.fillRect(0, 0, 1, 1);
        return [...box.getImageData(0, 0, 1, 1).data];
    };
    const light = (color) => color.slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const color = read(getComputedStyle(one).backgroundColor);
            if (color[3] === 255) return color;
        }
    };
    let worst = [99, "nothing"];
    for (const element of document.querySelectorAll("body *")) {
        const texts = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data);
        const text = texts.join("").trim();
        if (!text || !element.checkVisibility() || element.closest(".only-read, option, noscript")) continue;
        const style = getComputedStyle(element);
        const [one, other] = [light(read(element.closest("svg") ? style.fill : style.color)), light(behind(element))];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < worst[0]) worst = [contrast, text];
    }
    return worst;
})()"""

# Where the cards of the first screens begin, in pixels.
PLACES = """['cost', 'calls', 'operation', 'model'].map((id) =>
    Math.round(document.querySelector(`#card-${id}`).getBoundingClientRect().top + scrollY))"""


class Answers(PostgresUsageAnswers):
    """The real ones, that fail or wait when told; to `refused` questions alone there may be no answer."""

    error: Exception | None = None
    may_go_on: asyncio.Event | None = None
    refused: Callable[[UsageQuestion], bool] | None = None

    async def answers(self, questions: Any, *asker: Any) -> Any:
        if self.may_go_on is not None:
            await self.may_go_on.wait()
        if self.error is not None:
            raise self.error
        if self.refused is not None and any(map(self.refused, questions)):
            raise UsageUnavailableError("The database did not answer.")
        return await super().answers(questions, *asker)


class Letters(PostgresDeadLetterReader):
    """The real ones, that fail when told."""

    error: Exception | None = None

    async def counts(self, question: Any, *asker: Any) -> Any:
        if self.error is not None:
            raise self.error
        return await super().counts(question, *asker)


class Site:
    """A served API with calls and dead letters in its database."""

    letters: Letters

    def __init__(self, origin: str, answers: Answers, keys: PostgresKeyStore) -> None:
        self.origin, self.answers, self.keys = origin, answers, keys
        self.superuser = self.tenant = ""

    async def asked_again(self, page: Page, key: str, **parts: str) -> dict[str, Any]:
        """What the API answers to the page's latest question that has these parameters."""
        for url in reversed(page.requests):
            parameters = dict(parse_qsl(urlsplit(url).query))
            if urlsplit(url).path == "/v1/usage/query" and parts.items() <= parameters.items():
                async with httpx.AsyncClient() as client:
                    answer = await client.get(url, headers={"Authorization": f"Bearer {key}"})
                found: dict[str, Any] = answer.raise_for_status().json()
                return found
        raise AssertionError((parts, page.requests))


def calls() -> list[LLMCall]:
    """Of some days before now: two tenants and operations, failed ones, and ones without a price."""
    made = []
    for number in range(120):
        began = datetime.now(UTC) - timedelta(hours=5 * number + 1)
        fields: dict[str, Any] = {
            "tenant_id": "red-cross" if number % 3 else "delta-water",
            "operation": "assign_codes" if number % 4 else "summarize",
            "invocation_id": uuid4(),
            "invocation_started_at": began,
            "timestamp": began,
            "call_duration_ms": 200.0 + 7 * number,
            "cost_usd": Decimal("0.731") + Decimal(number) / 1000,
        }
        if number % 10 == 0:
            fields |= {"status": "error", "error_class": "RateLimitedError", "http_status": 429}
        if number == 60:
            fields |= {"cost_usd": None, "cost_source": None}  # failed, so that nobody knows what it cost
        if number % 17 == 1:
            fields |= {"cost_usd": None, "model": "no-price", "cost_source": None}
        made.append(llm_call(**fields))
    return made


def dead_letters() -> list[DeadLetterRow]:
    """Of yesterday: two tenants' and nobody's, what waits for a budget among them, and a reason of a later release."""
    failed_at = datetime.now(UTC) - timedelta(days=1)
    kinds: list[tuple[str | None, str | None, str, int]] = [
        ("red-cross", "assign_codes", "unknown_framework", 3),
        ("red-cross", None, "wrong_schema", 2),
        ("red-cross", "summarize", "budget_exhausted", 7),
        ("delta-water", "summarize", "<b>hasOwnProperty</b>", 1),
        (None, None, "not_json", 4),
    ]
    return [
        a_dead_letter_row(tenant_id=tenant, operation=operation, reason=reason, failed_at=failed_at)
        for tenant, operation, reason, count in kinds
        for _ in range(count)
    ]


@asynccontextmanager
async def served_site(server_url: str, *, older: bool = False) -> AsyncIterator[Site]:
    """The API with its page, on a database of its own, with a key of each kind; `older`: it counts no dead letters."""
    async with migrated_database(server_url) as (_, engine):
        await PostgresLLMCallSink(engine).write(calls())
        await PostgresDeadLetterSink(engine).write(dead_letters())
        keys, stop = PostgresKeyStore(engine), asyncio.Event()
        answers = Answers(engine)

        async def ready() -> bool:
            return True

        listener = listen("127.0.0.1", 0)
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}", answers, keys)
        site.superuser = (await keys.create("hq", superuser=True)).text
        site.tenant = (await keys.create("red-cross")).text
        site.letters = Letters(engine)
        app = create_app(
            answers,
            keys,
            ready,
            failure_answers=PostgresFailureAnswers(engine),
            dead_letter_reader=None if older else site.letters,
        )
        serving = asyncio.create_task(serve(app, listener, stop))
        yield site
        stop.set()
        await serving


@asynccontextmanager
async def opened(browser: Browser, site: Site, key: str = "", view: str = "", **how: Any) -> AsyncIterator[Page]:
    """The page, logged in where there is a key; in the end it has asked nobody else and nothing went wrong."""
    page = await browser.page(how.pop("width", 1280), how.pop("height", 900), **how)
    await page.go(f"{site.origin}/{view}")
    if key:
        await page.fill("#key", key)
        await page.press("Enter")
        await page.wait(SHOWN)
    yield page
    assert page.elsewhere(site.origin) == []
    assert page.troubles == []
    assert not [url for url in page.requests if "fbk_" in url]
    await page.close()
