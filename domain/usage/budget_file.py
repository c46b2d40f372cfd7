"""Budget files: what somebody wrote down, read in full; docs/budgets.md says how one looks."""

from decimal import Decimal
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from domain.errors import UserError
from domain.usage.amounts import exact_number, with_places
from domain.usage.budgets import THRESHOLDS, Budget, Period
from domain.wording import problems_of
from schemas.base import Identifier, shown, without_nul

MAX_BUDGETS = 10_000
MAX_THRESHOLDS = 20
_PLACES = 12
_REMEDY = "See docs/budgets.md for its form, and samples/budgets.toml for one that can be used."


def _ascending(thresholds: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
    found = tuple(sorted(thresholds))
    if any(one == other for one, other in pairwise(found)):
        raise ValueError("has the same share twice")
    return found


def _zone(name: object) -> ZoneInfo:
    if not isinstance(name, str):
        raise ValueError("is not the name of a time zone")  # noqa: TRY004
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such name; one that leads elsewhere; a directory of zones
        raise ValueError("is no IANA time zone, such as Europe/Zurich or UTC") from None


_Exact = BeforeValidator(exact_number), AfterValidator(with_places(_PLACES))
_Limit = Annotated[Decimal, Field(gt=0, le=10**12, allow_inf_nan=False), *_Exact]
_Share = Annotated[Decimal, Field(gt=0, le=100, allow_inf_nan=False), *_Exact]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    tenant: Identifier
    operation: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(without_nul)] | None = None
    period: Period
    zone: Annotated[ZoneInfo, BeforeValidator(_zone)] = ZoneInfo("UTC")
    limit_usd: _Limit
    thresholds: Annotated[
        tuple[_Share, ...], Field(min_length=1, max_length=MAX_THRESHOLDS), AfterValidator(_ascending)
    ] = THRESHOLDS
    hard_stop: StrictBool = False

    def budget(self) -> Budget:
        return Budget(
            self.tenant, self.operation, self.period, self.zone, self.limit_usd, self.thresholds, self.hard_stop
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    budgets: Annotated[tuple[_Entry, ...], Field(min_length=1, max_length=MAX_BUDGETS)]


def read_budgets(content: object, where: str) -> tuple[Budget, ...]:
    """The budgets that a parsed file holds, its numbers as Decimals, in the file's order.

    Args:
        content: what TOML had.
        where: how the file is called, for sentences.

    Raises:
        UserError: it is no budget file; the sentence names the entry, counted from 0.
    """
    try:
        given = _File.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{where} is no budget file: {problems_of(error)}.", _REMEDY) from None
    budgets = tuple(entry.budget() for entry in given.budgets)
    first: dict[tuple[str, str | None, str, str], int] = {}
    for number, one in enumerate(budgets):
        before = first.setdefault((one.tenant_id, one.operation, one.period, one.zone.key), number)
        if before != number:
            raise UserError(
                f"{where} has two budgets for a {one.period} of {shown(one.tenant_id)} in {one.zone.key}: "
                f"`budgets[{before}]` and `budgets[{number}]`.",
                "Leave one of them; one budget may have several thresholds.",
            )
    return budgets
