"""Waiting for a coding framework that has not arrived yet: bounded in time and in number, and in nobody's way."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from domain.errors import UnknownFrameworkError
from domain.ports import FrameworkCatalogue
from schemas.frameworks import CodingFramework


class FrameworkWait:
    """Where inputs wait for their frameworks.

    An input's time counts from its broker timestamp: where a framework never comes, a backlog of records behind it
    takes one wait in all, not one after the other. However old, an input waits for the grace, as its framework may have
    been published together with it and be on its way.
    """

    def __init__(
        self,
        catalogue: FrameworkCatalogue,
        *,
        max_waiting: int,
        wait_seconds: float,
        grace_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._max_waiting = max_waiting
        self._wait_seconds = wait_seconds
        self._grace_seconds = grace_seconds
        self._now = now
        self._waiting: OrderedDict[object, asyncio.Timeout] = OrderedDict()

    def __len__(self) -> int:
        """How many inputs wait now."""
        return len(self._waiting)

    def patience(self, since: datetime | None) -> float:
        """How long an input may wait from now on, in seconds, that the broker got at `since`."""
        age = 0.0 if since is None else max(0.0, (self._now() - since).total_seconds())
        return max(self._grace_seconds, self._wait_seconds - age)

    async def framework(self, tenant_id: str, framework_id: str, since: datetime | None) -> CodingFramework:
        """The framework, once it is known.

        Raises:
            UnknownFrameworkError: it did not arrive in time, or too many wait and this input did so for longest.
        """
        me = object()
        try:
            async with asyncio.timeout(self.patience(since)) as bound:
                self._take_place(me, bound)
                while (found := self._catalogue.find(tenant_id, framework_id)) is None:
                    await self._catalogue.changed()
                return found
        except TimeoutError:
            given_up = me not in self._waiting
        finally:
            self._waiting.pop(me, None)
        latest = self._catalogue.find(tenant_id, framework_id)
        if latest is not None:
            return latest
        raise UnknownFrameworkError(
            f"More than {self._max_waiting} records wait for coding frameworks that are not there; this one was first."
            if given_up
            else "The record's coding framework did not arrive in the time that a record waits for it."
        )

    def _take_place(self, me: object, bound: asyncio.Timeout) -> None:
        self._waiting[me] = bound
        while len(self._waiting) > self._max_waiting:
            _, oldest = self._waiting.popitem(last=False)
            if not oldest.expired():
                oldest.reschedule(asyncio.get_running_loop().time())
