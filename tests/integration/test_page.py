"""The page at `/` in headless Chromium, over the real API and the real database, as a person uses it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from domain.errors import UsageUnavailableError
from tests.browser import Browser
from tests.integration.page_support import (
    LOGGED_OUT,
    PLACES,
    QUIET,
    SHOWN,
    WIDTH,
    WORST_CONTRAST,
    Site,
    opened,
    served_site,
)


@pytest.fixture(scope="module")
async def site(postgres) -> AsyncIterator[Site]:
    async with served_site(postgres.url) as site:
        yield site


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser.started() as browser:
        yield browser


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
        said = "of 8 of 120 it is not, or not wholly, known. 1 of them failed. No price is known for no-price."
        assert await page.text("#unpriced") == f"The cost is a lower bound: {said}"
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

        await page.click("#count-again")
        await page.wait("document.querySelector('#counted-again').textContent")
        async with httpx.AsyncClient() as client:
            given = {"from": of_time["from"], "to": of_time["to"]}
            headers = {"Authorization": f"Bearer {site.superuser}"}
            answer = await client.get(f"{site.origin}/v1/usage/failures", params=given, headers=headers)
        repeats = answer.json()["total"]["repeats"]
        said = await page.text("#counted-again")
        assert f"Done again on the same input: {repeats['invocations']} (≥ $" in said
        assert f"{repeats['after_an_answer']} of them after an answer." in said
        assert repeats["invocations"] > repeats["after_an_answer"] > 0

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


@pytest.mark.parametrize("refused", ["time", "operation"])
async def test_what_has_no_answer_shows_nothing_of_another_time(browser, site, refused):
    async with opened(browser, site, site.superuser, "#zone=UTC&range=30d") as page:
        cost, rows = "#tile-cost .big", "[...document.querySelectorAll('#card-operation tbody tr')].length"
        spent = await page.text(cost)
        assert await page.evaluate(rows) == 2
        site.answers.refused = lambda question: question.group_by == (() if refused == "time" else (refused,))
        try:
            yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
            await page.evaluate(f"location.hash = '#zone=UTC&range=custom&from={yesterday}&to={yesterday}', 0")
            await page.wait(f"document.querySelector('#trouble').checkVisibility() && {QUIET}")
        finally:
            site.answers.refused = None
        shown, days = await page.text(cost), "document.querySelectorAll('#card-cost tbody tr').length"
        if refused == "time":
            assert shown == "\u00a0"
            assert await page.evaluate(days) == 0
            assert await page.evaluate(rows) > 0
        else:
            assert shown not in (spent, "\u00a0")
            assert await page.evaluate(rows) == 0
            assert "There is no answer to this question." in await page.text("#card-operation")
        assert all("503" in trouble for trouble in page.troubles)
        page.troubles.clear()
        await page.click("#again")
        await page.wait(f"!document.querySelector('#trouble').checkVisibility() && {SHOWN}")
        assert await page.text(cost) not in (spent, "\u00a0")
        assert await page.evaluate(rows) > 0


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


HOURS = "[...document.querySelectorAll('#card-cost .plot svg > g')].filter((one) => !one.querySelector('line, text'))"
MARKS = "[...document.querySelectorAll('#card-cost .plot text[text-anchor=middle]')].map((one) => one.textContent)"


async def test_hours_name_their_days_one_is_running_and_the_address_names_what_is_shown(browser, site):
    now = datetime.now(UTC)
    first, last = f"{now - timedelta(days=1):%Y-%m-%d}", f"{now:%Y-%m-%d}"
    shown = {"range": "custom", "view": "llm_calls", "zone": "UTC", "from": first, "to": last}
    asked = urlencode(shown | {"view": "odd", "tenant": "nobodys-business"})
    async with opened(browser, site, site.tenant, f"#{asked}") as page:
        assert dict(parse_qsl((await page.evaluate("location.hash"))[1:])) == shown
        days = [mark for mark in await page.evaluate(MARKS) if ":" not in mark]
        assert [f"{now - timedelta(days=back):%b}" in day for day, back in zip(days, (1, 0), strict=True)] == [True] * 2
        assert await page.evaluate(f"{HOURS}.filter((one) => !one.matches('.cursor')).length") == 48
        running = await page.evaluate(f"{HOURS}.findIndex((one) => one.matches('.so-far'))")
        assert running - 24 in (now.hour, now.hour + 1)
