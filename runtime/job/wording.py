"""What is wrong with a value in a person's file, in words that need no knowledge of our schemas' library.

Only names of fields, kinds and limits are told, never a value.
"""

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_EXPECTED = {
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
}
"""What should be there, by pydantic's kind of error."""


def kind_of(value: object) -> str:
    """What a JSON value is: `null`, `a number`, `a list`, ..."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        (list, "a list"),
        (dict, "an object"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def why_no_text(value: object, longest: int) -> str | None:
    """What keeps a value from being a text of 1 to `longest` characters without NUL; None where nothing does."""
    if not isinstance(value, str):
        return f"it is {kind_of(value)}"
    if not value:
        return "it is empty"
    if len(value) > longest:
        return f"it has more than {longest} characters"
    return "it holds a NUL character" if "\x00" in value else None


def problems_of(error: ValidationError, most: int = 3) -> str:
    """The first problems, with where they are: ``root_codes[0].name` is a number, and not text`."""
    places = [problem["loc"] for problem in error.errors(include_url=False)]
    problems = [problem for problem in error.errors(include_url=False) if not _follows_from_another(problem, places)]
    told = "; ".join(_sentence(problem) for problem in problems[:most])
    return told if len(problems) <= most else f"{told}; and {len(problems) - most} more"


def shown(name: str) -> str:
    """A person's own id as part of a line: without control characters, and not endless."""
    plain = "".join(character if character.isprintable() else "?" for character in name)
    return plain if len(plain) <= 60 else f"{plain[:57]}..."


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first few of many: `a, b, c and 4 more`."""
    told = ", ".join(map(shown, names[:most]))
    return told if len(names) <= most else f"{told} and {len(names) - most} more"


def _follows_from_another(problem: ErrorDetails, places: Sequence[tuple[int | str, ...]]) -> bool:
    """A list counts as too short where none of its entries is right: those are what is wrong."""
    here = problem["loc"]
    return problem["type"] == "too_short" and any(place != here and place[: len(here)] == here for place in places)


def _sentence(problem: ErrorDetails) -> str:
    kind, limits = problem["type"], problem.get("ctx", {})
    where = f"`{_place(problem['loc'])}`" if problem["loc"] else "the whole"
    if kind == "value_error":
        words = str(limits["error"])  # a validator's of our own schemas
        return f"{where} {words}" if problem["loc"] else words
    if kind in _EXPECTED:
        return f"{where} is {kind_of(problem['input'])}, and not {_EXPECTED[kind]}"
    fixed = {
        "missing": "is missing",
        "string_too_short": "is empty",
        "too_short": "is empty",
        "string_too_long": f"has more than {limits.get('max_length')} characters",
    }
    return f"{where} {fixed.get(kind, 'does not fit')}"


def _place(parts: Sequence[int | str]) -> str:
    """`root_codes[0].children[2].id`, counted from 0 as in jq."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
