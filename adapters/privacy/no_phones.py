"""Numbers that are no phone numbers by how they are written: dates, times, amounts, coordinates."""

import re

_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_SHORT_YEAR = r"(?:19|20)?\d\d"
_CLOCK = r"\d{1,2}[:.]\d\d(?:[:.]\d\d)?"

_DAY_FIRST = rf"{_DAY}(?P<between>[-/.]){_MONTH}(?P=between){_SHORT_YEAR}"
_MONTH_FIRST = rf"{_MONTH}/[0-3]?\d/{_YEAR}"
_YEAR_FIRST = rf"{_YEAR}(?P<joint>[-/.])[01]?\d(?P=joint)[0-3]?\d"
_DATE = rf"(?<!\d)(?<!\d[./-])(?:{_DAY_FIRST}|{_MONTH_FIRST}|{_YEAR_FIRST})(?!\d|[./-]\d)(?:[ T,\n]{{1,2}}{_CLOCK})?"
_DATE_IN_ONE = rf"\b{_YEAR}[01]\d[0-3]\d\b"
_YEARS = rf"\b{_YEAR} ?[-/] ?{_SHORT_YEAR}\b(?![- ]?\d)"
_TIME = r"(?<!\d:)\b\d{1,2}:\d\d(?::\d\d)?\b(?!:\d)"
_COORDINATE = r"(?<![\d.])-?\d{1,3}\.\d{3,}(?![\d.])"
_COORDINATE_WITH_COMMA = r"(?<![\d,])-?(?:0|[1-9]\d{0,2}),\d{4,7}(?![\d,])"
_THOUSANDS = r"(?<![\d.,+])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])"
_DECIMAL = r"(?<![\d+])(?<!\d[ .,-])(?:0|[1-9]\d*)(?:[ ,.]\d{3})*[.,]\d{1,2}\b(?![- .]?\d)"

_ANY = re.compile(
    "|".join((_DATE, _YEARS, _DATE_IN_ONE, _TIME, _COORDINATE, _COORDINATE_WITH_COMMA, _THOUSANDS, _DECIMAL))
)
MASK = "\0"


def masked(text: str) -> str:
    """The text with as many `MASK` characters in place of each."""
    return _ANY.sub(lambda match: MASK * len(match.group()), text)
