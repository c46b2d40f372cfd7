"""Counting codes over time: from what the CRM says of its records, and from our own codings. No model is asked."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import Literal, Protocol, TypeGuard, get_args

from domain.errors import UsageUnavailableError
from domain.operations.many.limits import MAX_TREND_BYTES
from domain.sizes import bytes_in_json
from schemas.base import PLAUSIBLE_YEARS
from schemas.requests import Period, RequestedRecord
from schemas.trends import CodeTrend, Granularity, OwnCodings, Trend, TrendCount

METADATA_KEY = "codes"
MAX_CODES_OF_A_RECORD = 50
MAX_CODES = 200
MAX_CODE_ID_CHARACTERS = 1024  # as a framework may have them
MAX_NAME_CHARACTERS = 1000
MOST_DAYS = 31
MOST_DAYS_IN_WEEKS = 26 * 7


@dataclass(frozen=True, slots=True)
class KnownCode:
    """A code of a record; the name as far as it is known."""

    code_id: str
    name: str | None = None


class PastCodings(Protocol):
    """What we have coded before."""

    async def codes_of(self, tenant_id: str, record_ids: Collection[str]) -> Mapping[str, Sequence[KnownCode]]:
        """The codes of our latest CodesAssigned with codes for each of these records, best first, within seconds.

        A record that has none, or whose codings all abstained, is left out.

        Raises:
            UsageUnavailableError: they cannot be read now, or not in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class KnownCodes:
    """The codes of a request's records, by record id; each record's codes are distinct.

    A record has the codes of its metadata or, where it has none there, those of our own coding: not both, as two
    codings of one record would count it twice.

    Attributes:
        metadata, assigned: where they come from.
        own_codings: whether our own codings were read.
    """

    metadata: Mapping[str, tuple[KnownCode, ...]]
    assigned: Mapping[str, tuple[KnownCode, ...]]
    own_codings: OwnCodings = "not_configured"

    def of(self, record_id: str) -> tuple[KnownCode, ...]:
        """A record's codes."""
        return self.metadata.get(record_id) or self.assigned.get(record_id) or ()

    def ids(self) -> dict[str, tuple[str, ...]]:
        """The codes' ids, by record id."""
        merged = {**self.assigned, **self.metadata}
        return {record_id: tuple(code.code_id for code in codes) for record_id, codes in merged.items()}


async def known_codes(
    tenant_id: str, records: Sequence[RequestedRecord], codings: PastCodings | None = None
) -> KnownCodes:
    """The codes of records, from their metadata, and for the others from our own codings, where these can be read.

    Codes are an aid: where ours cannot be read, there are fewer, and nothing fails.
    """
    metadata = {record.record_id: found for record in records if (found := codes_in(record.metadata))}
    others = [record.record_id for record in records if record.record_id not in metadata]
    if codings is None:
        return KnownCodes(metadata, {})
    if not others:
        return KnownCodes(metadata, {}, "not_needed")
    try:
        coded = await codings.codes_of(tenant_id, others)
    except UsageUnavailableError:
        return KnownCodes(metadata, {}, "unavailable")
    assigned = {record_id: found for record_id in others if (found := _distinct(coded.get(record_id, ())))}
    return KnownCodes(metadata, assigned, "read")


def codes_in(metadata: Mapping[str, object] | None) -> tuple[KnownCode, ...]:
    """The codes in a record's metadata: `codes`, a list of ids, or of objects with `code_id` (or `id`) and `name`.

    What is neither is passed over: metadata is any object of the CRM's.
    """
    given = (metadata or {}).get(METADATA_KEY)
    if not isinstance(given, list):
        return ()
    return _distinct(code for entry in given if (code := _code(entry)))


def _code(entry: object) -> KnownCode | None:
    if isinstance(entry, str):
        return KnownCode(entry) if _is_id(entry) else None
    if not isinstance(entry, dict):
        return None
    code_id, name = entry.get("code_id", entry.get("id")), entry.get("name")
    if not _is_id(code_id):
        return None
    return KnownCode(code_id, name[:MAX_NAME_CHARACTERS] if isinstance(name, str) and name.strip() else None)


def _is_id(value: object) -> TypeGuard[str]:
    return (
        isinstance(value, str) and bool(value.strip()) and len(value) <= MAX_CODE_ID_CHARACTERS and "\x00" not in value
    )


def _distinct(codes: Iterable[KnownCode]) -> tuple[KnownCode, ...]:
    best: dict[str, KnownCode] = {}
    for code in codes:
        best.setdefault(code.code_id, code)
    return tuple(best.values())[:MAX_CODES_OF_A_RECORD]


def trend_of(records: Sequence[RequestedRecord], codes: KnownCodes, period: Period | None) -> Trend | None:
    """Count codes over days, weeks or months of UTC; None where no record has a code.

    A record counts once for each of its codes. Weeks begin on Monday (ISO 8601). A record dated outside the period,
    [start, end), and one without a date count for the code, and for no stretch of time. A trend that would take more
    than its share of the topic has longer stretches, up to years, and where these do not suffice, fewer codes.
    """
    coded = [(record, known) for record in records if (known := codes.of(record.record_id))]
    if not coded:
        return None
    counting: dict[str, _Counting] = defaultdict(_Counting)
    for record, known in coded:
        where = _where(record.created_at, period)
        for code in known:
            counting[code.code_id].add(code.name, where)
    ranked = sorted(counting.items(), key=lambda item: (-item[1].records, item[0]))
    granularity, listed = _within_bytes(ranked[:MAX_CODES], granularity_of(records, period))
    from_metadata = sum(record.record_id in codes.metadata for record, _ in coded)
    return Trend(
        granularity=granularity,
        codes=tuple(listed),
        codes_left_out=len(ranked) - len(listed),
        from_metadata=from_metadata,
        from_assignments=len(coded) - from_metadata,
        uncoded=len(records) - len(coded),
    )


Outside = Literal["undated", "outside_period"]


class _Counting:
    """One code's records, by the day."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.records = 0
        self.days: Counter[date | Outside] = Counter()

    def add(self, name: str | None, where: date | Outside) -> None:
        self.name = self.name or name
        self.records += 1
        self.days[where] += 1

    def over(self, first_days: Mapping[date, date]) -> Counter[date]:
        """The dated ones by stretch, given the first day of each day's stretch."""
        stretches: Counter[date] = Counter()
        for day, count in self.days.items():
            if isinstance(day, date):
                stretches[first_days[day]] += count
        return stretches

    def trend(self, code_id: str, stretches: Mapping[date, int]) -> CodeTrend:
        return CodeTrend(
            code_id=code_id,
            name=self.name,
            records=self.records,
            undated=self.days["undated"],
            outside_period=self.days["outside_period"],
            counts=tuple(TrendCount(start=start, records=count) for start, count in sorted(stretches.items())),
        )


_BYTES_OF_A_COUNT = bytes_in_json(TrendCount(start=date(2000, 1, 1), records=1))


def _within_bytes(
    ranked: Sequence[tuple[str, _Counting]], shortest: Granularity
) -> tuple[Granularity, list[CodeTrend]]:
    """The codes over the shortest stretches that fit; over years, as many of the first as do.

    Sizes are reckoned, not tried: there may be a million counts, which take seconds to be made.
    """
    days = {day for _, counted in ranked for day in counted.days if isinstance(day, date)}
    bare = [bytes_in_json(counted.trend(code_id, {})) + 1 for code_id, counted in ranked]  # with its comma
    granularities: tuple[Granularity, ...] = get_args(Granularity)
    for granularity in granularities[granularities.index(shortest) :]:
        first_days = {day: _first_day(day, granularity) for day in days}
        over = [counted.over(first_days) for _, counted in ranked]
        taken = list(accumulate(size + _bytes_of(stretches) for size, stretches in zip(bare, over, strict=True)))
        if taken[-1] <= MAX_TREND_BYTES:
            break
    fit = bisect_right(taken, MAX_TREND_BYTES)
    listed = zip(ranked[:fit], over, strict=False)
    return granularity, [counted.trend(code_id, stretches) for (code_id, counted), stretches in listed]


def _bytes_of(stretches: Mapping[date, int]) -> int:
    return sum(_BYTES_OF_A_COUNT + len(str(count)) for count in stretches.values())  # a digit more: the comma


def granularity_of(records: Sequence[RequestedRecord], period: Period | None) -> Granularity:
    """By the span of the period, or else of the dates: days up to 31 days, weeks up to 26 weeks, else months."""
    if period is not None:
        span = period.end - period.start - timedelta(microseconds=1)
    else:
        moments = [record.created_at for record in records if record.created_at is not None]
        dates = [day for day in map(_day, moments) if day is not None]
        span = max(dates) - min(dates) if dates else timedelta(0)
    days = span.days + 1
    if days <= MOST_DAYS:
        return "day"
    return "week" if days <= MOST_DAYS_IN_WEEKS else "month"


def _where(moment: datetime | None, period: Period | None) -> date | Outside:
    """The day of a moment that counts."""
    day = None if moment is None else _day(moment)
    if moment is None or day is None:
        return "undated"
    if period is not None and not period.start <= moment < period.end:
        return "outside_period"
    return day


def _first_day(day: date, granularity: Granularity) -> date:
    """Of the stretch that a day lies in."""
    if granularity == "day":
        return day
    if granularity == "week":
        return day - timedelta(days=day.weekday())
    months = {"month": 1, "quarter": 3, "year": 12}[granularity]
    return day.replace(month=day.month - (day.month - 1) % months, day=1)


def _day(moment: datetime) -> date | None:
    """The day in UTC; None in years that no record is of: a program's least date is no date of a record."""
    try:
        day = moment.astimezone(UTC).date()
    except OverflowError:
        return None
    return day if day.year in PLAUSIBLE_YEARS else None
