"""The page's parts as they are served: types, caching, and what a browser is told to forbid."""

import re
from importlib.resources import files

import pytest

from domain.delivery.reasons import REASONS
from tests.unit.api.support import Rig, told


@pytest.fixture
async def rig():
    rig = Rig()
    async with rig.client:
        yield rig


def directives(policy: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in policy.split(";"))


async def test_the_page_is_at_the_bare_address_and_needs_no_key(rig):
    page = await rig.get("/")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/" not in (await rig.get("/openapi.json")).json()["paths"]


async def test_the_page_may_run_its_own_scripts_only_and_be_framed_by_nobody(rig):
    for path in ("/", "/page/main.js", "/page/page.css", "/page/icon.svg"):
        headers = (await rig.get(path)).headers
        policy = directives(headers["content-security-policy"])
        assert policy["default-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert not {name for name in policy if name.endswith("-src")} - {"default-src", "object-src"}
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


async def test_every_part_that_the_page_names_is_there_in_its_type(rig):
    page = (await rig.get("/")).text
    named = set(re.findall(r'(?:src|href)="(page/[^"]+)"', page))
    assert {"page/main.js", "page/early.js", "page/page.css", "page/icon.svg"} <= named
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    seen: set[str] = set()
    while named - seen:
        path = min(named - seen)
        seen.add(path)
        part = await rig.get(f"/{path}")
        assert (part.status_code, part.headers["content-type"]) == (200, types[path.rpartition(".")[2]])
        named |= {f"page/{name}" for name in re.findall(r'from "\./([^"]+)"', part.text)}
    shipped = {f"page/{file.name}" for file in (files("api.page") / "static").iterdir()}
    assert shipped - seen == {"page/index.html"}


async def test_nothing_is_inline_and_nothing_comes_from_elsewhere(rig):
    for file in (files("api.page") / "static").iterdir():
        text = file.read_text()
        assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]{2,}", text.replace("http://www.w3.org/2000/svg", ""))
        assert not re.search(r"\.innerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    page = (await rig.get("/")).text
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", page)
    assert not re.search(r'<input[^>]*id="key"[^>]*name=', page)


async def test_a_part_that_is_known_is_not_sent_again(rig):
    first = await rig.get("/page/main.js")
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"

    for known in (etag, f'"other", W/{etag}', "*"):
        again = await rig.get("/page/main.js", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert "content-security-policy" in again.headers
    assert (await rig.get("/page/main.js", headers={"If-None-Match": '"other"'})).status_code == 200
    assert (await rig.get("/page/page.css")).headers["etag"] != etag


async def test_nothing_else_is_served(rig):
    for path in ("/page/", "/page/nothing.js", "/page/..%2Frouter.py", "/page/%2e%2e%2f__init__.py", "/page/router.py"):
        assert told(await rig.get(path)) == (404, "not_found")


async def test_a_key_learns_whose_it_is(rig):
    tenant, superuser = await rig.keys.create("red-cross"), await rig.keys.create("hq", superuser=True)

    assert (await rig.get("/v1/key", tenant.text)).json() == {"tenant_id": "red-cross", "superuser": False}
    assert (await rig.get("/v1/key", superuser.text)).json() == {"tenant_id": "hq", "superuser": True}
    assert told(await rig.get("/v1/key")) == (401, "missing_key")
    assert told(await rig.get("/v1/key", tenant.text[:-1] + "_")) == (401, "invalid_key")


def test_every_reason_of_a_dead_letter_is_told_in_a_phrase():
    script = (files("api.page") / "static" / "dead.js").read_text()
    told = set(re.findall(r"^  ([a-z_]+): \".+\",$", script, re.MULTILINE))
    assert told == set(REASONS) - {"budget_exhausted"}  # which is told apart
