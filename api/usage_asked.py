"""What a caller asks of `/v1/usage/query`, put together from its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from api import usage_parameters as parameters
from api.auth import Caller
from api.errors import APIError
from api.query_strings import listed, refuse_unknown
from api.usage_cursors import Cursor, read
from api.usage_parameters import DEFAULT_LIMIT, MAX_LIMIT, MAX_YEARS, View
from api.windows import moment
from domain.keys import StoredKey
from domain.usage.calendar import UNITS
from domain.usage.periods import period_before, up_to
from domain.usage.questions import DIMENSIONS, MAX_PERCENTILES, Dimension, Filters, UsageQuestion

FORMATS = ("json", "csv", "parquet")
_ONCE = (
    *("from", "to", "group_by", "zone", "percentiles", "views", "compare"),
    *("ingested_before", "limit", "cursor", "format"),
)
_ALLOWED = (*_ONCE, *DIMENSIONS)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and how its answer is wanted.

    Attributes:
        question: what is asked of the usage.
        before: the same of the period before; None: no comparison.
        views: which views the answer has.
        window_is_default: whether the caller named no window.
        format: one of FORMATS.
        limit: groups on a page.
        cursor: where the page begins; None: at the beginning.
        identity: all that makes the question what it is, for cursors.
        not_compared: why the period before is not told of, though it was asked for.
    """

    question: UsageQuestion
    before: UsageQuestion | None
    views: tuple[View, ...]
    window_is_default: bool
    format: str
    limit: int
    cursor: Cursor | None
    identity: Sequence[Any]
    not_compared: str | None = None

    @property
    def questions(self) -> list[UsageQuestion]:
        """What is asked: of the window and, where it is held against it, of the period before."""
        return [self.question, self.before] if self.before is not None else [self.question]


_TIME = "RFC 3339 with an offset: `2026-11-01T00:00:00Z`."
_VALUES = "Only what has this value; may be given several times. An empty one means: has none."


class Parameters:
    """The parameters as they are written, for the description of the API; `read` checks them."""

    def __init__(
        self,
        request: Request,
        start: Annotated[
            str | None,
            Query(
                alias="from",
                description=f"The first moment that counts. {_TIME} Without `from` and `to`: the last 30 days. "
                f"A window is {MAX_YEARS} years at most.",
                examples=["2026-11-01T00:00:00Z"],
            ),
        ] = None,
        end: Annotated[
            str | None,
            Query(
                alias="to",
                description=f"The first moment that no longer counts. {_TIME}",
                examples=["2026-12-01T00:00:00Z"],
            ),
        ] = None,
        group_by: Annotated[
            str | None,
            Query(
                description=f"A comma list of {listed(DIMENSIONS)}, and at most one of {listed(UNITS)}. Groups of time "
                "in which nothing was are zeros. `tenant` is for superusers.",
                examples=["operation,day"],
            ),
        ] = None,
        zone: Annotated[
            str | None,
            Query(
                description="Whose hours, days, weeks (from Monday) and months: a name of the IANA database. `UTC` "
                "by default.",
                examples=["Europe/Kyiv"],
            ),
        ] = None,
        tenant: Annotated[
            list[str] | None, Query(description=f"{_VALUES} Another tenant than the key's is for superusers.")
        ] = None,
        operation: Annotated[list[str] | None, Query(description=_VALUES)] = None,
        model: Annotated[list[str] | None, Query(description=_VALUES)] = None,
        provider: Annotated[list[str] | None, Query(description=_VALUES)] = None,
        status: Annotated[list[str] | None, Query(description=f"{_VALUES} `ok` or `error`.")] = None,
        error_class: Annotated[list[str] | None, Query(description=_VALUES)] = None,
        prompt_version: Annotated[list[str] | None, Query(description=_VALUES)] = None,
        percentiles: Annotated[
            str | None,
            Query(
                description=f"A comma list of {MAX_PERCENTILES} numbers from 0 to 100 at most; `5,50,95` by default.",
                examples=["50,90,99.9"],
            ),
        ] = None,
        views: Annotated[
            str | None, Query(description="A comma list of `llm_calls` and `invocations`; both by default.")
        ] = None,
        compare: Annotated[
            str | None,
            Query(
                description="`previous`: beside each group, and the total, the same of the period of equal length "
                "before; of whole months or days of the zone as many months or days."
            ),
        ] = None,
        limit: Annotated[
            str | None, Query(description=f"Groups on a page: 1 to {MAX_LIMIT}, {DEFAULT_LIMIT} by default. JSON only.")
        ] = None,
        cursor: Annotated[
            str | None, Query(description="`next_cursor` of the page before, with that page's parameters. JSON only.")
        ] = None,
        ingested_before: Annotated[
            str | None,
            Query(description=f"What was stored then or later does not count: a report can be made again. {_TIME}"),
        ] = None,
        format: Annotated[
            str | None, Query(description="`json` (by default), `csv` or `parquet`; the last two hold all groups.")
        ] = None,
    ) -> None:
        self.request = request
        self.window, self.group_by, self.zone = (start, end), group_by, zone
        given = (tenant, operation, model, provider, status, error_class, prompt_version)
        self.filters: dict[Dimension, list[str]] = {
            name: values for name, values in zip(DIMENSIONS, given, strict=True) if values is not None
        }
        self.percentiles, self.views, self.compare = percentiles, views, compare
        self.limit, self.cursor, self.ingested_before, self.format = limit, cursor, ingested_before, format


async def asked(key: Caller, given: Annotated[Parameters, Depends()]) -> Asked:
    """The question of a caller.

    Raises:
        APIError: 403 `superuser_required`; 422 as `api.usage_parameters` and `api.query_strings` say,
            `invalid_cursor`, `pages_are_json`.
    """
    refuse_unknown(given.request, _ALLOWED, _ONCE)
    group_by, unit = parameters.grouping(given.group_by)
    zone = parameters.zone(given.zone)
    named_values = {name: parameters.filter_values(name, values) for name, values in given.filters.items()}
    filters = within_rights(key, named_values, group_by)
    percentiles, views = parameters.percentiles(given.percentiles), parameters.views(given.views)
    compares = parameters.one_of("compare", given.compare, ("previous",)) is not None
    early = moment("ingested_before", given.ingested_before) if given.ingested_before is not None else None
    window = parameters.given_window(*given.window)
    named = [
        each and each.astimezone(UTC).isoformat() for each in (window and window.start, window and window.end, early)
    ]
    of_filters = sorted((name, sorted(values, key=str)) for name, values in filters.items())
    identity = [*named, group_by, unit, zone.key, of_filters, percentiles, views, compares]
    wanted = _format(given)
    cursor = read(given.cursor, identity) if given.cursor is not None else None
    if cursor is not None:
        # All pages are of the moment of the first one.
        early = min(early, cursor.as_of) if early is not None else cursor.as_of
    question = UsageQuestion(
        window=cursor.window if cursor is not None else window or up_to(datetime.now(UTC)),
        group_by=group_by,
        filters=filters,
        unit=unit,
        zone=zone,
        percentiles=percentiles,
        ingested_before=early,
    )
    before = replace(question, window=period_before(question.window, zone)) if compares else None
    limit = parameters.limit(given.limit)
    return Asked(question, before, views, window is None, wanted, limit, cursor, identity)


def within_rights(key: StoredKey, filters: Filters, group_by: Sequence[Dimension] = ()) -> Filters:
    """The filters, with the key's own tenant where the key is bound to it.

    Raises:
        APIError: 403 `superuser_required`.
    """
    if key.superuser:
        return filters
    if "tenant" in group_by or set(filters.get("tenant", ())) - {key.tenant_id}:
        said = "Only the key of a superuser reads the usage of other tenants, or by tenant."
        raise APIError(403, "superuser_required", said)
    return {**filters, "tenant": (key.tenant_id,)}


def _format(given: Parameters) -> str:
    wanted = parameters.one_of("format", given.format, FORMATS) or "json"
    if wanted != "json" and (given.limit is not None or given.cursor is not None):
        said = f"`{wanted}` holds all groups: leave `limit` and `cursor` out, or take `json`."
        raise APIError(422, "pages_are_json", said)
    return wanted
