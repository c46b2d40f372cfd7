"""What may be asked of the usage: by what it is grouped, of which part, over which time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from domain.usage.calendar import Unit
from domain.usage.report import Window

Dimension = Literal["tenant", "operation", "model", "provider", "status", "error_class", "prompt_version"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
"""What calls, and invocations, are told apart by.

An invocation has the model, provider, status, error class and prompt version of its last attempt: those that answered.
`model` is the model that answered or, where none did, the one that was asked for.
"""

PERCENTILES = (5.0, 50.0, 95.0)
MAX_PERCENTILES = 20
MAX_STRETCHES = 10_000
MAX_GROUPS = 100_000
MAX_FILTER_VALUES = 200

Filters = Mapping[Dimension, tuple[str | None, ...]]
"""The values that count, by dimension; None: those that have none."""


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """One question, which has one answer of one moment.

    Attributes:
        window: which calls and invocations count.
        group_by: which of them are counted together; none: all.
        filters: which of them count at all.
        unit: whether also by hours, days, weeks or months of `zone`; None: not.
        zone: whose clocks and calendar.
        percentiles: of the distributions, from 0 to 100.
        ingested_before: what was stored later does not count, so that a report can be made again.
        names_unpriced: whether the answer names the models without a price, of which there may be any number.
    """

    window: Window
    group_by: tuple[Dimension, ...] = ()
    filters: Filters = field(default_factory=dict)
    unit: Unit | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    percentiles: tuple[float, ...] = PERCENTILES
    ingested_before: datetime | None = None
    names_unpriced: bool = True
