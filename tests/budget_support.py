"""What the tests of budgets share."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.usage.pausing import Kept, Pause


class MemoryPauseBook:
    """PauseBook in memory."""

    def __init__(self) -> None:
        self.pauses: dict[UUID, Pause] = {}
        self.ended: dict[UUID, datetime] = {}
        self.sent_at: dict[UUID, datetime] = {}

    async def keep(self, pauses: Sequence[Pause], now: datetime) -> Kept:
        wanted = {one.pause_id: one for one in pauses}
        over = [key for key in self.pauses if key not in wanted and key not in self.ended]
        begun = [key for key in wanted if key not in self.pauses or key in self.ended]
        self.ended |= dict.fromkeys(over, now)
        for key in begun:
            self.ended.pop(key, None)
            self.sent_at.pop(key, None)
            self.pauses.setdefault(key, wanted[key])
        return Kept(len(begun), len(over))

    async def lasting(self) -> Sequence[Pause]:
        return [one for key, one in self.pauses.items() if key not in self.ended]

    async def over(self, ended_before: datetime, sent_before: datetime) -> Sequence[Pause]:
        due = [key for key, ended in self.ended.items() if ended < ended_before]
        return [self.pauses[key] for key in due if key not in self.sent_at or self.sent_at[key] < sent_before]

    async def sent(self, pauses: Sequence[Pause], ended_before: datetime, now: datetime) -> None:
        for key in {one.pause_id for one in pauses}:
            if key not in self.ended or self.ended[key] >= ended_before:
                continue
            if key in self.sent_at:
                del self.ended[key], self.pauses[key], self.sent_at[key]
            else:
                self.sent_at[key] = now
