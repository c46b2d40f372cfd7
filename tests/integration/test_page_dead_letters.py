"""The page's card of dead letters, in headless Chromium over the real API and the real database."""

from collections.abc import AsyncIterator

import pytest

from domain.errors import UsageUnavailableError
from tests.browser import Browser
from tests.integration.page_support import QUIET, SHOWN, WIDTH, WORST_CONTRAST, Site, opened, served_site

ROWS = (
    "[...document.querySelectorAll('#card-dead tbody tr')].map((row) => [...row.cells].map((one) => one.textContent))"
)
TABLE = "document.querySelector('#dead-table').checkVisibility()"


@pytest.fixture(scope="module")
async def site(postgres) -> AsyncIterator[Site]:
    async with served_site(postgres.url) as site:
        yield site


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser.started() as browser:
        yield browser


async def test_it_says_how_many_and_why_and_tells_what_waits_for_a_budget_apart(browser, site):
    async with opened(browser, site, site.superuser, "#zone=UTC") as page:
        assert await page.text("#dead-said") == "10 could not be answered, or taken in."
        assert [row[:3] for row in await page.evaluate(ROWS)] == [
            ["The message was not JSON", "the whole input", "4"],
            ["Its coding framework did not come in time", "assign_codes", "3"],
            ["The message was not what its topic carries", "the whole input", "2"],
            ["<b>hasOwnProperty</b>", "summarize", "1"],
        ]
        assert "Set aside as a budget was spent: 7." in await page.text("#dead-waiting")
        assert "feedback dead-letters list" in await page.text("#card-dead")
        contrast, where = await page.evaluate(WORST_CONTRAST)
        assert contrast >= 4.5, where

        await page.evaluate("location.hash = '#range=custom&from=2020-01-01&to=2020-01-31&zone=UTC', 0")
        await page.wait(f"document.querySelector('#empty').checkVisibility() && {QUIET}")
        assert await page.text("#dead-said") == "None in this time."
        assert (await page.evaluate(TABLE), await page.text("#dead-waiting")) == (False, "")
        await page.click("#log-out")
        assert "could not be answered" not in await page.evaluate("document.body.textContent")


async def test_a_tenant_sees_its_own_and_a_superuser_the_one_that_is_chosen(browser, site):
    async with opened(browser, site, site.tenant) as page:
        assert await page.text("#dead-said") == "5 could not be answered, or taken in."
    async with opened(browser, site, site.superuser, "#tenant=delta-water", width=360, height=800, dark=True) as page:
        assert await page.text("#dead-said") == "1 could not be answered, or taken in."
        assert await page.text("#dead-waiting") == ""
        assert await page.evaluate(WIDTH) == 360
        contrast, where = await page.evaluate(WORST_CONTRAST)
        assert contrast >= 4.5, where


async def test_what_it_cannot_tell_leaves_the_rest_of_the_page_as_it_is(browser, site, postgres):
    async with opened(browser, site, site.tenant) as page:
        site.letters.error = UsageUnavailableError("The database did not answer.")
        try:
            await page.click("#refresh")
            await page.wait("document.querySelector('#dead-said').textContent.includes('does not answer')")
        finally:
            site.letters.error = None
        await page.wait(SHOWN)
        assert await page.evaluate(TABLE) is False
        assert not await page.evaluate("document.querySelector('#trouble').checkVisibility()")
        assert "503" in page.troubles.pop()  # the browser itself notes it
        await page.click("#refresh")
        await page.wait("document.querySelector('#dead-said').textContent === '5 could not be answered, or taken in.'")

    async with served_site(postgres.url, older=True) as older, opened(browser, older, older.tenant) as page:
        assert "This API does not count dead letters" in await page.text("#dead-said")
        assert await page.text("#tile-count .big") == "80"
        assert "404" in page.troubles.pop()
