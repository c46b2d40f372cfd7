"""A window, and whose figures of it: what the lists of failures and of dead letters are asked by."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from api import usage_parameters as parameters
from api.auth import Caller
from api.query_strings import refuse_unknown
from api.usage_asked import within_rights
from api.windows import WINDOW
from domain.usage.periods import up_to
from domain.usage.questions import Filters
from domain.usage.report import Window

_ALLOWED = (*WINDOW, "tenant")
_TIME = "RFC 3339 with an offset: `2026-11-01T00:00:00Z`."


@dataclass(frozen=True, slots=True)
class TenantsWindow:
    """What is asked for.

    Attributes:
        window: half-open.
        tenants: whose; None: everybody's.
        window_is_default: whether the caller named no window.
    """

    window: Window
    tenants: tuple[str, ...] | None
    window_is_default: bool


def _asked(
    request: Request,
    key: Caller,
    start: Annotated[
        str | None,
        Query(
            alias="from",
            description=f"The first moment that counts. {_TIME} Without `from` and `to`: the last 30 days. A window is "
            f"{parameters.MAX_YEARS} years at most.",
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
    tenant: Annotated[
        list[str] | None,
        Query(
            description="Only this tenant; may be given several times. Another one than the key's is for superusers, "
            "who are told of all tenants together where they name none."
        ),
    ] = None,
) -> TenantsWindow:
    """The window, the last 30 days where none is named, and the tenants that the caller may be told of.

    Raises:
        APIError: 403 `superuser_required`; 422 as `api.usage_parameters` and `api.query_strings` say.
    """
    refuse_unknown(request, _ALLOWED, WINDOW)
    filters: Filters = {"tenant": parameters.filter_values("tenant", tenant)} if tenant is not None else {}
    tenants = within_rights(key, filters).get("tenant")
    named = tuple(name for name in tenants if name) if tenants is not None else None
    window = parameters.given_window(start, end)
    return TenantsWindow(window or up_to(datetime.now(UTC)), named, window is None)


AskedTenantsWindow = Annotated[TenantsWindow, Depends(_asked)]
