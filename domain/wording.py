"""What is wrong with a value, in words that need no knowledge of our schemas' library.

Only names of fields, kinds and limits are told, never a value but an id: the words go into dead letters and logs.
"""

from collections.abc import Container, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_EXPECTED = {
    **dict.fromkeys(("string_type", "string_sub_type"), "text"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "an object"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("uuid_type", "uuid_parsing", "uuid_version"), "a UUID"),
}
"""What should be there, by pydantic's kind of error."""

_BOUNDS = {
    "greater_than": ("gt", "is not more than {}"),
    "greater_than_equal": ("ge", "is less than {}"),
    "less_than": ("lt", "is not less than {}"),
    "less_than_equal": ("le", "is more than {}"),
    "string_too_long": ("max_length", "has more than {} characters"),
    "too_long": ("max_length", "has more than {} entries"),
}
"""What is out of bounds, by pydantic's kind of error, and its name of the bound."""

_FIXED = {
    "missing": "is missing",
    "extra_forbidden": "is not a name that is known here",
    "string_too_short": "is empty",
    "too_short": "is empty",
    "string_pattern_mismatch": "does not have the form that it should",
    "string_unicode": "is not text in Unicode",
    "int_parsing_size": "is too large",
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "timezone_aware"),
        "must be a time as RFC 3339 writes it, with an offset",  # as `schemas.base.Timestamp` says it
    ),
}

_CHOICES = ("enum", "literal_error")


def kind_of(value: object) -> str:
    """What a value of JSON or TOML is: `null`, `a number`, `a list`, ..."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float, Decimal), "a number"),
        ((date, time), "a time"),
        (str, "text"),
        (list, "a list"),
        (dict, "an object"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def problems_of(error: ValidationError, most: int = 3, known: Container[str] | None = None) -> str:
    """The first problems: where, what is wrong and what is expected: ``root_codes[0].name` is a number, and not text`.

    Args:
        error: what pydantic found.
        most: how many are told; the others are counted.
        known: the names that may be told; any other may be the input's own, a key of its metadata say, and is told as
            `?`. None: all may be.
    """
    found = error.errors(include_url=False)
    places = [problem["loc"] for problem in found]
    problems = [problem for problem in found if not _follows_from_another(problem, places)]
    told = "; ".join(_sentence(problem, known) for problem in problems[:most])
    return told if len(problems) <= most else f"{told}; and {len(problems) - most} more"


def _follows_from_another(problem: ErrorDetails, places: Sequence[tuple[int | str, ...]]) -> bool:
    """A list counts as too short where none of its entries is right: those are what is wrong."""
    here = problem["loc"]
    return problem["type"] == "too_short" and any(place != here and place[: len(here)] == here for place in places)


def _sentence(problem: ErrorDetails, known: Container[str] | None) -> str:
    words = _words(problem, problem.get("ctx", {}))
    if problem["loc"]:
        return f"`{_place(problem['loc'], known)}` {words}"
    return words if problem["type"] == "value_error" else f"the whole {words}"


def _place(parts: Sequence[int | str], known: Container[str] | None) -> str:
    """`root_codes[0].children[2].id`, counted from 0 as in jq."""
    names = (part if isinstance(part, int) or known is None or part in known else "?" for part in parts)
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in names).removeprefix(".")


def _words(problem: ErrorDetails, limits: dict[str, Any]) -> str:
    kind = problem["type"]
    if kind == "value_error":
        return str(limits["error"])  # a validator's of our own schemas
    if kind in _EXPECTED:
        return f"is {kind_of(problem['input'])}, and not {_EXPECTED[kind]}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return words.format(limits[name])
    if kind in _CHOICES:
        return f"is not {limits['expected']}"
    return _FIXED.get(kind, "does not fit")
