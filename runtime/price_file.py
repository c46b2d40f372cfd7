"""Price files: JSON or TOML, read in full before anything is priced by them."""

import json
import tomllib
from decimal import Decimal
from pathlib import Path

from domain.errors import UserError
from domain.usage.prices import PriceList, read_prices

_MOST_BYTES = 16 * 2**20


def load_prices(file: Path) -> PriceList:
    """The prices in a file: TOML where its name ends so, JSON otherwise.

    Raises:
        UserError: it cannot be read, or is no price file.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        cause = (error.strerror or type(error).__name__).lower()
        raise UserError(
            f"The price file {file} cannot be read ({cause}).", "Check the path and its permissions."
        ) from None
    if len(raw) > _MOST_BYTES:
        raise UserError(f"The price file {file} has more than 16 MiB.", "Name a file of prices: docs/prices.md.")
    kind = "TOML" if file.suffix.lower() == ".toml" else "JSON"
    try:
        text = raw.decode("utf-8-sig")
        # Decimals: what is written is what is reckoned with.
        content = (tomllib if kind == "TOML" else json).loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError) as error:
        # Both say a line and a column, and nothing of the file's text but a character.
        told = f": {error}" if isinstance(error, tomllib.TOMLDecodeError | json.JSONDecodeError) else ""
        raise UserError(
            f"The price file {file} is no {kind}{told}.",
            "Correct it; its name must end in .toml or .json, as its content is.",
        ) from None
    return read_prices(content, f"The price file {file}")
