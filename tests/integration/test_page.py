"""The page at `/` in headless Chromium, over the real API and the real database, as a person uses it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx
import pytest

from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from adapters.postgres.usage.reader import PostgresUsageAnswers
from api.app import create_app
from api.server import listen, serve
from domain.errors import UsageUnavailableError
from schemas.llm_calls import LLMCall
from tests.browser import Browser, Page
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
    """The real ones, that fail or wait when told."""

    error: Exception | None = None
    may_go_on: asyncio.Event | None = None

    async def answer(self, question: Any) -> Any:
        if self.may_go_on is not None:
            await self.may_go_on.wait()
        if self.error is not None:
            raise self.error
        return await super().answer(question)


class Site:
    """A served API with calls in its database."""

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
        if number % 17 == 1:
            fields |= {"cost_usd": None, "model": "no-price", "cost_source": None}
        made.append(llm_call(**fields))
    return made


@pytest.fixture(scope="module")
async def site(postgres) -> AsyncIterator[Site]:
    async with migrated_database(postgres.url) as (_, engine):
        await PostgresLLMCallSink(engine).write(calls())
        keys, stop = PostgresKeyStore(engine), asyncio.Event()
        answers = Answers(engine)

        async def ready() -> bool:
            return True

        listener = listen("127.0.0.1", 0)
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}", answers, keys)
        site.superuser = (await keys.create("hq", superuser=True)).text
        site.tenant = (await keys.create("red-cross")).text
        serving = asyncio.create_task(serve(create_app(answers, keys, ready), listener, stop))
        yield site
        stop.set()
        await serving


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser.started() as browser:
        yield browser


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


async def test_who_logs_in_sees_the_numbers_of_the_api_and_logs_out(browser, site):
    async with opened(browser, site, site.superuser, "#zone=UTC") as page:
        of_time = await site.asked_again(page, site.superuser, group_by="day")
        total = of_time["total"]["llm_calls"]
        values = "[...document.querySelectorAll('.tile')].map((tile) => [tile.id, tile.querySelector('data').value])"
        tiles = dict(await page.evaluate(values))
        assert total["total"] == 120
        assert tiles["tile-cost"] == total["cost_usd"]
        assert tiles["tile-count"] == str(total["total"])
        assert tiles["tile-failed"] == str(total["failed"])
        assert float(tiles["tile-duration"]) == total["duration_ms"]["percentiles"]["95"]
        assert await page.text("#tile-cost .big") == f"≥ ${Decimal(total['cost_usd']):.2f}"
        assert "The cost is a lower bound: 7 of 120 have no price, those of no-price." in await page.text("#unpriced")
        table = (
            "[...document.querySelectorAll('{} tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
        )
        days = await page.evaluate(table.format("#card-calls"))
        assert [int(good) + int(failed) for _, good, failed in days] == [
            group["llm_calls"]["total"] for group in of_time["groups"]
        ]
        for dimension in ("operation", "model", "tenant"):
            answer = await site.asked_again(page, site.superuser, group_by=dimension)
            rows = {row[0]: row[2] for row in await page.evaluate(table.format(f"#card-{dimension}"))}
            assert rows == {one["keys"][dimension]: str(one["llm_calls"]["total"]) for one in answer["groups"]}
        errors = await page.evaluate(table.format("#card-errors"))
        assert [row[:3] for row in errors] == [["RateLimitedError", "12", "100%"]]
        assert await page.evaluate("document.querySelectorAll('#card-cost rect').length") > 20

        assert await page.evaluate("sessionStorage.getItem('feedback-key')") == site.superuser
        assert site.superuser not in await page.evaluate("location.href + JSON.stringify(localStorage)")
        await page.click("#log-out")
        await page.wait(LOGGED_OUT)
        assert await page.evaluate("sessionStorage.length") == 0
        assert "red-cross" not in await page.evaluate("document.body.textContent")
        assert await page.evaluate("document.querySelector('#key').value") == ""


async def test_everything_can_be_reached_by_keyboard(browser, site):
    async with opened(browser, site, site.superuser, "#zone=UTC&range=7d") as page:
        focused = "document.activeElement.value ?? document.activeElement.id"
        for _ in range(20):
            await page.press("Tab")
            if await page.evaluate(focused) == "7d":
                break
        assert await page.evaluate("document.activeElement.matches(':focus-visible')")
        await page.press("ArrowRight", "ArrowRight")
        await page.wait("location.hash.includes('range=12m')")
        await page.wait(SHOWN)
        months = await site.asked_again(page, site.superuser, group_by="month")
        assert len(months["groups"]) == 12

        for _ in range(20):
            await page.press("Tab")
            if await page.evaluate("document.activeElement.className") == "plot":
                break
        await page.press("Home", "ArrowRight", "End")
        said = await page.text("#card-cost .readout")
        spoken = await page.evaluate("document.querySelector('#card-cost [aria-live]').textContent")
        assert spoken.split() == said.split()
        last = months["groups"][-1]["llm_calls"]
        assert f"${Decimal(last['failed_cost_usd']):.2f}" in said
        assert datetime.now(UTC).strftime("%B %Y, so far") in said


async def test_a_view_is_shared_by_its_address_and_a_tenants_key_shows_that_tenant(browser, site):
    view = "#range=30d&view=invocations&zone=Asia/Kathmandu&tenant=delta-water"
    async with opened(browser, site, site.superuser, view) as page:
        shared = await site.asked_again(
            page, site.superuser, tenant="delta-water", zone="Asia/Kathmandu", views="invocations"
        )
        assert await page.text("#tile-count .big") == str(shared["total"]["invocations"]["total"]) == "40"
    async with opened(browser, site, site.tenant, view) as page:
        assert await page.text("#tile-count .big") == "80"
        assert await page.text("#who") == "red-cross"
        hidden = "['#tenant-field', '#card-tenant'].map((one) => document.querySelector(one).checkVisibility())"
        assert await page.evaluate(hidden) == [False, False]


async def test_dark_and_light_by_the_system_or_by_the_switch_and_text_stands_out_in_both(browser, site):
    background = "getComputedStyle(document.documentElement).backgroundColor"
    async with opened(browser, site, site.superuser, dark=True) as page:
        await page.scheme(dark=True, still=True)
        dark = await page.evaluate(background)
        contrast, where = await page.evaluate(WORST_CONTRAST)
        assert contrast >= 4.5, where
        await page.click("#theme")
        light = await page.evaluate(background)
        assert light != dark
        contrast, where = await page.evaluate(WORST_CONTRAST)
        assert contrast >= 4.5, where
        await page.reload()
        await page.wait(SHOWN)
        assert await page.evaluate(background) == light
        await page.click("#theme")
        await page.scheme(dark=False)
        assert await page.evaluate(background) == dark


async def test_a_phone_need_not_scroll_sideways_and_nothing_jumps_while_it_loads(browser, site):
    async with opened(browser, site, width=360, height=800) as page:
        assert await page.evaluate(WIDTH) == 360
        await page.fill("#key", site.superuser)
        await page.press("Enter")
        await page.wait(SHOWN)
        await page.click("[name=range][value=custom]")
        await page.wait(f"document.querySelector('#from').checkVisibility() && {SHOWN}")
        for width in (390, 360):
            await page.size(width, 800)
            assert await page.evaluate(WIDTH) == width
        site.answers.may_go_on = asyncio.Event()
        await page.reload()
        await page.wait(f"!({QUIET})")
        places = await page.evaluate(PLACES)
        assert await page.text("#tile-cost .big") == "\u00a0"
        site.answers.may_go_on.set()
        await page.wait(SHOWN)
        assert await page.evaluate(PLACES) == places


async def test_a_wrong_key_is_one_sentence(browser, site):
    async with opened(browser, site) as page:
        await page.fill("#key", "two words")
        await page.press("Enter")
        await page.wait("document.querySelector('#log-in-error').textContent.includes('whole key')")
        await page.fill("#key", site.tenant[:-4] + "AAAA")
        await page.press("Enter")
        await page.wait("document.querySelector('#log-in-error').textContent === 'This API key is not known.'")
        assert await page.evaluate(LOGGED_OUT)
        assert await page.evaluate("sessionStorage.length") == 0
        assert await page.evaluate("document.activeElement.id") == "key"
        # The browser itself notes the refusal.
        refusal = page.troubles.pop()
        assert "401" in refusal


async def test_an_error_of_the_api_is_shown_and_can_be_tried_again(browser, site):
    async with opened(browser, site, site.tenant) as page:
        site.answers.error = UsageUnavailableError("The database did not answer.")
        try:
            await page.click("#refresh")
            await page.wait("document.querySelector('#trouble').checkVisibility()")
        finally:
            site.answers.error = None
        await page.wait(QUIET)
        assert "The usage database does not answer. Try again in a moment." in await page.text("#trouble")
        assert page.troubles
        assert all("503" in trouble for trouble in page.troubles)
        page.troubles.clear()
        await page.click("#again")
        await page.wait(f"!document.querySelector('#trouble').checkVisibility() && {SHOWN}")


async def test_the_file_is_the_apis_csv_and_nothing_at_all_is_friendly(browser, site):
    async with opened(browser, site, site.tenant, "#zone=UTC") as page:
        await page.evaluate(
            "window.made = new Promise((done) => { const make = URL.createObjectURL;"
            "URL.createObjectURL = (blob) => (blob.text().then(done), make.call(URL, blob)); }), 0"
        )
        await page.click("#card-operation .csv")
        csv = (await page.evaluate("window.made")).splitlines()
        assert csv[0].startswith("operation,")
        assert [line.partition(",")[0] for line in csv[1:]] == ["assign_codes", "summarize"]

        await page.evaluate("location.hash = '#range=custom&from=2020-01-01&to=2020-01-31&zone=UTC', 0")
        await page.wait(f"document.querySelector('#empty').checkVisibility() && {QUIET}")
        assert "Nothing was asked of a model" in await page.text("#empty")
        assert not await page.evaluate("document.querySelector('#cards').checkVisibility()")
