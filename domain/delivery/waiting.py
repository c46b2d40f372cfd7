"""Waiting for a coding framework that has not arrived yet: bounded in time, and in nobody's way."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from domain.errors import UnknownFrameworkError
from domain.ports import FrameworkCatalogue
from schemas.base import shown
from schemas.frameworks import CodingFramework


class FrameworkWait:
    """Where inputs wait for their frameworks.

    An input's time counts from its broker timestamp: where a framework never comes, a backlog of records behind it
    takes one wait in all, not one after the other. However old, an input waits for the grace, as its framework may have
    been published together with it and be on its way. How many may wait is for the window of who reads the inputs to
    say: none is given up before its time.
    """

    def __init__(
        self,
        catalogue: FrameworkCatalogue,
        *,
        wait_seconds: float,
        grace_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._wait_seconds = wait_seconds
        self._grace_seconds = grace_seconds
        self._now = now

    def patience(self, since: datetime | None) -> float:
        """How long an input may wait from now on, in seconds, that the broker got at `since`."""
        age = 0.0 if since is None else max(0.0, (self._now() - since).total_seconds())
        return max(self._grace_seconds, self._wait_seconds - age)

    async def framework(self, tenant_id: str, framework_id: str, since: datetime | None) -> CodingFramework:
        """The framework, once it is known.

        Raises:
            UnknownFrameworkError: it did not arrive in time.
        """
        try:
            async with asyncio.timeout(self.patience(since)):
                while (found := self._catalogue.find(tenant_id, framework_id)) is None:
                    await self._catalogue.changed()
                return found
        except TimeoutError:
            latest = self._catalogue.find(tenant_id, framework_id)
        if latest is not None:
            return latest
        raise UnknownFrameworkError(
            f"The record's coding framework, `{shown(framework_id)}`, did not arrive while the record waited for it."
        )
