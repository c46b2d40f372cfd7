"""How often a key may ask, and how often an address may try keys: counted in this process, in fixed minutes.

Each API process counts for itself: with three of them behind one address, a key may ask up to three times as often.
"""

import math
import time
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from api.errors import APIError

REQUESTS_PER_MINUTE = 600
FAILURES_PER_MINUTE = 60

_OPENED = RateLimitItemPerHour(1)


class RateLimits:
    """The counters of one process.

    Args:
        requests_per_minute: of one key; 0: no limit.
        failures_per_minute: keys that opened nothing, from one address, and secrets that did not fit one key that
            opened before; 0: no limit.
    """

    def __init__(
        self, requests_per_minute: int = REQUESTS_PER_MINUTE, failures_per_minute: int = FAILURES_PER_MINUTE
    ) -> None:
        self._requests = RateLimitItemPerMinute(requests_per_minute) if requests_per_minute else None
        self._failures = RateLimitItemPerMinute(failures_per_minute) if failures_per_minute else None
        self._counters = FixedWindowRateLimiter(MemoryStorage())

    async def trying(self, address: str, prefix: str | None) -> None:
        """Somebody presents a key: no more of that where too many from this address opened nothing.

        A key that opened within the hour goes on working: behind one proxy, one guesser must not stop everyone. It has
        a limit of its own, for whoever guesses at its secret.

        Raises:
            APIError: 429 `rate_limited`; the database need not be asked.
        """
        if self._failures is None:
            return
        counter = await self._counter(address, prefix)
        if not await self._counters.test(self._failures, *counter):
            raise await self._too_many_failures(self._failures, counter)

    async def failed(self, address: str, prefix: str | None) -> None:
        """A key opened nothing. It counts at once, so that of many tried at one time no more are told so than of many
        tried one after the other.

        Raises:
            APIError: 429 `rate_limited`: others failed meanwhile, and there is nothing to learn about this one.
        """
        if self._failures is None:
            return
        counter = await self._counter(address, prefix)
        everyone = ("failures", _network(address))
        counted = [everyone] if prefix is None else [everyone, (*everyone, prefix)]
        within = {each: await self._counters.hit(self._failures, *each) for each in counted}
        if not within[counter]:
            raise await self._too_many_failures(self._failures, counter)

    async def revoked(self, prefix: str) -> None:
        """A key opens nothing any more: from now on it is one like any other."""
        await self._counters.clear(_OPENED, "opened", prefix)

    async def opened(self, prefix: str) -> None:
        """A key opened, and asks.

        Raises:
            APIError: 429 `rate_limited`: it has asked too often.
        """
        await self._counters.hit(_OPENED, "opened", prefix)
        if self._requests is not None and not await self._counters.hit(self._requests, "requests", prefix):
            message = f"This API key may ask {self._requests.amount} times a minute."
            raise await self._refusal(self._requests, message, "requests", prefix)

    async def _counter(self, address: str, prefix: str | None) -> tuple[str, ...]:
        """What a failure of this key counts against: the address or, of a key that opened, what guesses at it alone."""
        counter: tuple[str, ...] = ("failures", _network(address))
        if prefix is not None and not await self._counters.test(_OPENED, "opened", prefix):
            counter = (*counter, prefix)
        return counter

    async def _too_many_failures(self, limit: RateLimitItem, counter: tuple[str, ...]) -> APIError:
        return await self._refusal(limit, "Too many keys from this address open nothing.", *counter)

    async def _refusal(self, limit: RateLimitItem, message: str, *who: str) -> APIError:
        until = (await self._counters.get_window_stats(limit, *who)).reset_time
        seconds = max(1, math.ceil(until - time.time()))
        return APIError(429, "rate_limited", f"{message} Try again in {seconds} s.", {"Retry-After": str(seconds)})


def _network(address: str) -> str:
    """The address; of IPv6 its first 64 bits, for whoever has one of these has all of them.

    A server that listens on IPv6 and IPv4 at once sees IPv4 as ::ffff:192.0.2.1, and all of it in the same 64 bits.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64)
    return str(found)
