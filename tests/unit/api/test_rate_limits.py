"""How often a key may ask, and an address guess."""

import asyncio
from collections import Counter

import httpx
import pytest

from api.app import create_app
from api.errors import APIError
from api.rate_limits import RateLimits
from tests.unit.api.serving import served
from tests.unit.api.support import WINDOW, Rig, told


class LimitedRig(Rig):
    def __init__(self, requests: int, failures: int) -> None:
        super().__init__()
        self.app.state.rate_limits = RateLimits(requests, failures)


async def test_a_key_that_asks_too_often_is_told_when_to_ask_again_and_no_other_key_is():
    rig = LimitedRig(2, 0)
    busy, other = (await rig.keys.create("a")).text, (await rig.keys.create("a")).text
    async with rig.client:
        for _ in range(2):
            assert (await rig.get("/v1/usage", busy, params=WINDOW)).status_code == 200
        refused = await rig.get("/v1/usage", busy, params=WINDOW)
        assert told(refused) == (429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert told(await rig.get("/v1/usage/all/by-tenant", busy, params=WINDOW)) == (429, "rate_limited")
        assert (await rig.get("/v1/usage", other, params=WINDOW)).status_code == 200
        assert (await rig.get("/healthz")).status_code == 200
    assert len(rig.usage.asked) == 3


async def test_who_tries_keys_is_stopped_before_the_database_and_nobody_else_at_the_same_address_is():
    rig = LimitedRig(0, 3)
    known, unused = (await rig.keys.create("a")).text, (await rig.keys.create("a")).text
    async with rig.client:
        assert (await rig.get("/v1/usage", known, params=WINDOW)).status_code == 200
        for wrong in ("x", "fbk_aaaaaaaaaaaa_" + "b" * 43, unused[:-1] + ("A" if unused[-1] != "A" else "B")):
            assert told(await rig.get("/v1/usage", wrong, params=WINDOW)) == (401, "invalid_key")
        looked_up = []
        rig.app.state.keys = _Watched(rig.keys, looked_up)
        refused = await rig.get("/v1/usage", unused, params=WINDOW)
        assert told(refused) == (429, "rate_limited")
        assert int(refused.headers["Retry-After"]) >= 1
        assert looked_up == []
        assert (await rig.get("/v1/usage", known, params=WINDOW)).status_code == 200
        assert told(await rig.get("/v1/usage", params=WINDOW)) == (401, "missing_key")


class _Watched:
    def __init__(self, keys, looked_up) -> None:
        self.keys, self.looked_up = keys, looked_up

    async def find(self, prefix):
        self.looked_up.append(prefix)
        return await self.keys.find(prefix)


class _Together:
    """Answers nobody before as many ask as are expected: all have passed whatever is looked at before."""

    def __init__(self, keys, expected) -> None:
        self.keys, self.barrier = keys, asyncio.Barrier(expected)

    async def find(self, prefix):
        await self.barrier.wait()
        return await self.keys.find(prefix)


async def _at_once(rig, keys, *presented):
    rig.app.state.keys = _Together(keys, len(presented))
    answers = await asyncio.gather(*(rig.get("/v1/usage", key, params=WINDOW) for key in presented))
    return Counter(answer.status_code for answer in answers)


async def test_of_keys_tried_at_one_time_no_more_are_answered_than_of_keys_tried_one_by_one():
    rig = LimitedRig(0, 3)
    known = (await rig.keys.create("a")).text
    wrong = [f"fbk_aaaaaaaaaaa{letter}_" + "b" * 43 for letter in "abcdefghijklmnopqrst"]
    guesses = [known[:-2] + ("AA" if known[-2:] != "AA" else "BB")] * 20
    async with rig.client:
        assert (await rig.get("/v1/usage", known, params=WINDOW)).status_code == 200
        assert await _at_once(rig, rig.keys, *wrong, known) == {401: 3, 429: 17, 200: 1}
        assert await _at_once(rig, rig.keys, known) == {200: 1}
        assert await _at_once(rig, rig.keys, *guesses) == {401: 3, 429: 17}  # who guesses at one that opened


async def test_a_right_key_among_wrong_ones_is_refused_only_behind_too_many_of_them():
    rig = LimitedRig(0, 3)
    first, second = [(await rig.keys.create("a")).text for _ in range(2)]
    wrong = ["fbk_aaaaaaaaaaaa_" + "b" * 43] * 5
    async with rig.client:
        assert await _at_once(rig, rig.keys, *wrong[:2], first) == {401: 2, 200: 1}
        assert await _at_once(rig, rig.keys, *wrong, first) == {401: 1, 429: 4, 200: 1}
        assert told(await rig.get("/v1/usage", second, params=WINDOW)) == (429, "rate_limited")


async def test_a_right_key_behind_too_many_wrong_ones_of_one_moment_does_not_stand_out():
    rig = LimitedRig(0, 3)
    key = (await rig.keys.create("a")).text
    wrong = ["fbk_aaaaaaaaaaaa_" + "b" * 43] * 5
    async with rig.client:
        assert await _at_once(rig, rig.keys, *wrong, key, *wrong) == {401: 3, 429: 8}


async def test_good_keys_at_one_time_never_use_the_limit_up():
    rig = LimitedRig(0, 3)
    keys = [(await rig.keys.create("a")).text for _ in range(20)]
    async with rig.client:
        assert await _at_once(rig, rig.keys, *keys) == {200: 20}


async def test_nought_is_no_limit_and_the_defaults_are_some():
    free, usual = RateLimits(0, 0), RateLimits()
    for _ in range(1000):
        await free.opened("p")
        await free.failed("192.0.2.1", "p")
    await free.trying("192.0.2.1", None)
    for _ in range(600):
        await usual.opened("p")
    with pytest.raises(APIError, match="600 times a minute"):
        await usual.opened("p")


async def test_who_has_one_address_of_ipv6_has_its_whole_network():
    limits = RateLimits(0, 2)
    for host in ("2001:db8::1", "2001:db8::2"):
        await limits.trying(host, None)
        await limits.failed(host, None)
    with pytest.raises(APIError):
        await limits.trying("2001:db8::3", None)
    await limits.trying("2001:db8:0:1::1", None)
    await limits.trying("192.0.2.1", None)
    await limits.trying("", None)


async def test_each_address_of_ipv4_counts_for_itself_also_where_it_is_written_as_ipv6():
    limits = RateLimits(0, 1)
    await limits.failed("::ffff:192.0.2.1", None)
    for same in ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:c000:201"):
        with pytest.raises(APIError):
            await limits.trying(same, None)
    for other in ("::ffff:192.0.2.2", "192.0.2.2"):
        await limits.trying(other, None)


async def test_who_guesses_at_the_secret_of_a_key_that_opened_is_stopped_too_but_only_where_he_guesses():
    rig = LimitedRig(0, 3)
    known, other = (await rig.keys.create("a")).text, (await rig.keys.create("a")).text
    wrong, looked_up = known[:-1] + ("A" if known[-1] != "A" else "B"), []
    rig.app.state.keys = _Watched(rig.keys, looked_up)
    async with rig.client:
        for key in (known, other):
            assert (await rig.get("/v1/usage", key, params=WINDOW)).status_code == 200
        for _ in range(3):
            assert told(await rig.get("/v1/usage", wrong, params=WINDOW)) == (401, "invalid_key")
        asked = len(looked_up)
        for key in (wrong, known):
            assert told(await rig.get("/v1/usage", key, params=WINDOW)) == (429, "rate_limited")
        assert len(looked_up) == asked
        assert (await rig.get("/v1/usage", other, params=WINDOW)).status_code == 200
        elsewhere = httpx.AsyncClient(
            transport=httpx.ASGITransport(rig.app, client=("192.0.2.9", 1)), base_url="http://api"
        )
        async with elsewhere:
            allowed = await elsewhere.get("/v1/usage", params=WINDOW, headers={"Authorization": f"Bearer {known}"})
        assert allowed.status_code == 200


async def test_a_key_that_was_revoked_is_one_like_any_other():
    rig = LimitedRig(0, 2)
    key = await rig.keys.create("a")
    async with rig.client:
        assert (await rig.get("/v1/usage", key.text, params=WINDOW)).status_code == 200
        await rig.keys.revoke(key.prefix)
        assert told(await rig.get("/v1/usage", "x", params=WINDOW)) == (401, "invalid_key")
        assert told(await rig.get("/v1/usage", key.text, params=WINDOW)) == (401, "revoked_key")
        assert told(await rig.get("/v1/usage", key.text, params=WINDOW)) == (429, "rate_limited")


@pytest.mark.parametrize(("trusted", "ends"), [(None, 401), ("192.0.2.7", 429)])
async def test_only_a_proxy_that_is_named_may_say_whose_address_it_is(monkeypatch, trusted, ends):
    """By default this machine's addresses are believed; with another one named, they are not."""
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if trusted is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    async with served() as (rig, port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        rig.app.state.rate_limits = RateLimits(0, 1)
        answers = [
            (await client.get("/v1/usage", headers={"Authorization": "Bearer x", "X-Forwarded-For": f"192.0.2.{n}"}))
            for n in range(10, 12)
        ]
    assert [answer.status_code for answer in answers] == [401, ends]


def test_an_app_without_them_has_the_defaults():
    rig = Rig()
    assert isinstance(create_app(rig.usage, rig.keys, rig.ready).state.rate_limits, RateLimits)
