"""How often a key may ask, and an address guess."""

import pytest

from api.app import create_app
from api.errors import APIError
from api.rate_limits import RateLimits
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


async def test_nought_is_no_limit_and_the_defaults_are_some():
    free, usual = RateLimits(0, 0), RateLimits()
    for _ in range(1000):
        await free.opened("p")
        await free.failed("192.0.2.1")
    await free.trying("192.0.2.1", None)
    for _ in range(600):
        await usual.opened("p")
    with pytest.raises(APIError, match="600 times a minute"):
        await usual.opened("p")


async def test_who_has_one_address_of_ipv6_has_its_whole_network():
    limits = RateLimits(0, 2)
    for host in ("2001:db8::1", "2001:db8::2"):
        await limits.trying(host, None)
        await limits.failed(host)
    with pytest.raises(APIError):
        await limits.trying("2001:db8::3", None)
    await limits.trying("2001:db8:0:1::1", None)
    await limits.trying("192.0.2.1", None)
    await limits.trying("", None)


def test_an_app_without_them_has_the_defaults():
    rig = Rig()
    assert isinstance(create_app(rig.usage, rig.keys, rig.ready).state.rate_limits, RateLimits)
