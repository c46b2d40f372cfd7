"""What the tests of budgets share."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain.usage.pausing import Kept, Pause


class MemoryPauseBook:
    """PauseBook in memory."""

    def __init__(self) -> None:
        self.pauses: dict[UUID, Pause] = {}
        self.ended: dict[UUID, datetime] = {}
        self.sent_at: dict[UUID, datetime] = {}
        self.is_taken = False

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        is_alone, self.is_taken = not self.is_taken, True
        try:
            yield is_alone
        finally:
            self.is_taken = not is_alone

    async def keep(self, pauses: Sequence[Pause], now: datetime) -> Kept:
        wanted = {one.pause_id: one for one in pauses}
        over = [key for key in self.pauses if key not in wanted and key not in self.ended]
        begun = [key for key in wanted if key not in self.pauses or key in self.ended]
        self.ended |= dict.fromkeys(over, now)
        for key in begun:
            self.ended.pop(key, None)
            self.sent_at.pop(key, None)
            self.pauses.setdefault(key, replace(wanted[key], inputs_since=now))
        return Kept(len(begun), len(over))

    async def lasting(self) -> Sequence[Pause]:
        return [one for key, one in self.pauses.items() if key not in self.ended]

    async def over(self, ended_before: datetime, sent_before: datetime) -> Sequence[Pause]:
        due = [key for key, ended in self.ended.items() if ended < ended_before]
        return [self.pauses[key] for key in due if key not in self.sent_at or self.sent_at[key] < sent_before]

    async def sent(self, pauses: Sequence[Pause], ended_before: datetime, now: datetime) -> None:
        for one in pauses:
            for key, other in self.pauses.items():
                if other.tenant_id == one.tenant_id and one.pause_id in self.pauses:
                    since = min(other.inputs_since or now, self.pauses[one.pause_id].inputs_since or now)
                    self.pauses[key] = replace(other, inputs_since=since)
        for key in {one.pause_id for one in pauses}:
            if key not in self.ended or self.ended[key] >= ended_before:
                continue
            if key in self.sent_at:
                del self.ended[key], self.pauses[key], self.sent_at[key]
            else:
                self.sent_at[key] = now
