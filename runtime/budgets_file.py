"""The file of budgets: TOML, read in full before anything is held against it."""

import tomllib
from decimal import Decimal
from pathlib import Path

from domain.errors import UserError
from domain.usage.budget_file import read_budgets
from domain.usage.budgets import Budget

_MOST_BYTES = 16 * 2**20


def load_budgets(file: Path | None) -> tuple[Budget, ...]:
    """The budgets in a file.

    Raises:
        UserError: none is named, it cannot be read, or it is no budget file.
    """
    if file is None:
        raise UserError("No budget file is given.", "Set BUDGETS_FILE to one: docs/budgets.md.")
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        cause = (error.strerror or type(error).__name__).lower()
        raise UserError(
            f"The budget file {file} cannot be read ({cause}).", "Check BUDGETS_FILE, and the file's permissions."
        ) from None
    if len(raw) > _MOST_BYTES:
        raise UserError(f"The budget file {file} has more than 16 MiB.", "Name a file of budgets: docs/budgets.md.")
    try:
        # Decimals: what is written is what is reckoned with.
        content = tomllib.loads(raw.decode("utf-8-sig"), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            f"The budget file {file} is no TOML: {error}.", "Correct it; docs/budgets.md shows one."
        ) from None
    except (ValueError, RecursionError, ArithmeticError):
        raise UserError(f"The budget file {file} is no TOML.", "Correct it; docs/budgets.md shows one.") from None
    return read_budgets(content, f"The budget file {file}")
