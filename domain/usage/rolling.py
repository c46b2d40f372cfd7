"""What keeps the rollups: counts anew what changed."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rolled:
    """What one round did: tenants' days, and tenants' months, that were counted anew."""

    days: int = 0
    months: int = 0


class UsageRoller(Protocol):
    """Keeps rollups of whole days and months. Any number may run: one at a time does something."""

    async def roll(self) -> Rolled | None:
        """Count some of what changed anew; None where another roller is at it. Nothing was left to do: no days, months.

        Raises:
            SinkUnavailableError: the database cannot do it now; what was begun did not happen.
        """
        ...
