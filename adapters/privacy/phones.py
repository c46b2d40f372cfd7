"""Phone numbers, international and as they are dialled at home; and not dates, amounts and case numbers."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property, partial

from adapters.privacy.no_phones import MASK, masked
from adapters.privacy.recogniser import alternatives, walked
from adapters.privacy.regions import regions
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span

_EXTENSION = r" ?(?:x|ext\.?|extension|poste|anexo|доб\.?|вн\.?|تحويلة) ?\d{1,6}(?!\w)"
_USUAL = r"[ ().\-/]{0,3}"
_ODD = r"\n\n|\)? ?[\n_·•*…|] ?\(?|\)?[,:;]\(?"
"""Separators that phone numbers seldom have and lists often: they count where more speaks for a phone number."""

_RUN = re.compile(rf"(?:\(?\+ ?|(?<![\d{MASK}]))\(?\d(?:(?:{_USUAL}|{_ODD})\d)*\)?(?:\+(?!\d))?")
_EXTENDED = re.compile(_EXTENSION, re.IGNORECASE)
_GROUP = re.compile(r"[+(]*(?:\+ )?\(?\d+\)?\+?")
_JOINTS = re.compile(r" - | -|- |/|\. ")
_NO_DIGITS = re.compile(r"\D+")
_ODDLY = re.compile(r"[^\d ().+/-]")
_LENGTHS = range(7, 16)
_MOST_GROUPS = 12
_LOCAL_LENGTHS = range(9, 13)
_ODD_GROUPS = range(2, 8)
_FIVE_PAIRS = [2, 2, 2, 2, 2]

_WORDS = {what: alternatives("phone_words.txt", what) for what in ("call", "behind", "case", "number", "money", "unit")}
_COUNTED = re.compile(rf" ?(?:{_WORDS['money']}|{_WORDS['unit']})(?!\w)", re.IGNORECASE)
_PRICED = re.compile(rf"(?<!\w)(?:{_WORDS['money']}) ?\Z", re.IGNORECASE)
_OF_WHAT = r"(?: (?:de|of|du) \w{1,12}| d['’]\w{1,12}| \w{1,12}ción)?"
_NAMED_A_CASE = re.compile(
    rf"(?:(?<!\w)(?:{_WORDS['case']}){_OF_WHAT}|#)\W{{0,3}}(?:(?:{_WORDS['number']})\W{{0,3}}){{0,2}}\Z", re.IGNORECASE
)
_CALLED = re.compile(rf"(?<![^\W\d_])(?:{_WORDS['call']})", re.IGNORECASE)
_CALLED_RIGHT_BEFORE = re.compile(rf"(?<![^\W\d_])(?:{_WORDS['call']})[^\W\d_]{{0,10}}(?<=[^\W\d_])\Z", re.IGNORECASE)
_CALLED_CLOSE_BEFORE = re.compile(
    rf"(?<![^\W\d_])(?:{_WORDS['call']})[^\W\d_]{{0,10}}\W{{0,3}}(?:[^\W\d_]{{1,4}}\W{{1,2}}){{0,2}}\Z", re.IGNORECASE
)
_WHOSE = r"(?:(?:my|our|his|her|their|the|a|own|mon|ma|notre|son|sa|le|mi|su|el|nuestro|мій|моя|наш|її|його) ){0,2}"
_CALLED_BEHIND = re.compile(
    rf"\W{{0,3}}(?:(?<!\w)(?:is|was|est|es|це|هو|هذا) |[(\[-] ?){_WHOSE}(?:{_WORDS['behind']})(?![^.\n\d]{{0,20}}\d)",
    re.IGNORECASE,
)
_TOUCHING = re.compile(r"[A-Za-zÀ-ɏЀ-ӿ\d]")
"""Letters that ids have. Others stand next to a number because their script has no spaces, or writes "and" in one."""

_LOOK_BACK = 40
_LOOK_AHEAD = 60
_AMERICAN_OR_UKRAINIAN = re.compile(r"(?:1[ .-])?\(?\d{3}\)?[ .-]?\d{3}[.-]\d{4}|\d{3}-\d\d-\d\d")

Valid = Callable[[str], bool]
"""Whether digits are a number of one of the countries that are tried."""


class Phones:
    """Phone numbers: with a country's code; with a trunk zero; beside words such as phone or call; or valid by the
    numbering plan of a country where the text's language is spoken.
    """

    name = "phone"

    def find(self, text: str, language: str | None) -> Sequence[Span]:
        """Where they stand."""
        # For this text alone: numbers of people are kept no longer than it takes.
        valid = cache(partial(_is_valid_in, regions(language)))
        runs = (run for run in _RUN.finditer(masked(text)) if len(run.group()) >= _LENGTHS[0])
        return [span for run in runs for span in _in_run(text, run, valid)]


def _in_run(text: str, run: re.Match[str], valid: Valid) -> Iterator[Span]:
    """Numbers made of whole groups of a run of digits."""
    groups = list(_GROUP.finditer(text, run.start(), run.end()))
    for number in walked(groups, _MOST_GROUPS, partial(_taken, text, valid)):
        end = number[-1].end()
        extended = _EXTENDED.match(text, end)
        yield Span(number[0].start(), extended.end() if extended else end, Kind.PHONE)


def _taken(text: str, valid: Valid, groups: Sequence[re.Match[str]]) -> int:
    """How many groups, from the first on, make a number: as many as can; 0 = none do."""
    start = groups[0].start()
    before = _Before(text[max(0, start - _LOOK_BACK) : start])
    for count in _fitting(groups):
        end = groups[count - 1].end()
        if _Candidate(text[start:end], before, text[end : end + _LOOK_AHEAD]).is_phone(valid):
            return count
    return 0


def _fitting(groups: Sequence[re.Match[str]]) -> list[int]:
    """How many groups have as many digits as a phone number has, the most first."""
    digits, fitting = 0, []
    for count, group in enumerate(groups, 1):
        digits += len(_NO_DIGITS.sub("", group.group()))
        if digits > _LENGTHS[-1] + 2:
            break
        if digits >= _LENGTHS[0]:
            fitting.append(count)
    return fitting[::-1]


class _Before:
    """What the words before a number say of it; asked once for all that may begin there."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def calls(self) -> bool:
        return _CALLED.search(self.text) is not None

    @cached_property
    def calls_close_by(self) -> bool:
        return self.calls and _CALLED_CLOSE_BEFORE.search(self.text) is not None

    @cached_property
    def calls_right_here(self) -> bool:
        return _CALLED_RIGHT_BEFORE.search(self.text) is not None

    @cached_property
    def names_a_case(self) -> bool:
        return _NAMED_A_CASE.search(self.text) is not None

    @cached_property
    def prices(self) -> bool:
        return _PRICED.search(self.text) is not None


class _Candidate:
    """Digits that may be a phone number, and what stands beside them.

    Args:
        written: as they stand.
        before: what stands before them.
        behind: what stands behind them.
    """

    def __init__(self, written: str, before: _Before, behind: str) -> None:
        self._written, self._before, self._behind = written, before, behind
        self._digits = _NO_DIGITS.sub("", written)

    @cached_property
    def _called(self) -> bool:
        return self._before.calls or _CALLED_BEHIND.match(self._behind) is not None

    @cached_property
    def _surely_called(self) -> bool:
        """Whether the word stands so close that it means these digits, and nothing else in its sentence."""
        return self._before.calls_close_by or _CALLED_BEHIND.match(self._behind) is not None

    @cached_property
    def _abroad(self) -> bool:
        return "+" in self._written or (self._digits.startswith("00") and _is_international(self._digits[2:]))

    def is_phone(self, valid: Valid) -> bool:
        """Whether they are one, by their form and by what stands beside them."""
        if not self._abroad and (len(self._digits) not in _LENGTHS or len(set(self._digits)) == 1):
            return False
        if self._is_part_of_a_word() or self._is_an_item():
            return False
        if self._before.names_a_case and not (self._called or self._is_surely_abroad()):
            return False
        return self._fits(valid) and not self._is_amount()

    def _fits(self, valid: Valid) -> bool:
        digits = self._digits
        if self._abroad or digits.startswith("00"):
            return self._abroad and len(digits.removeprefix("00")) in _LENGTHS
        if self._called or _AMERICAN_OR_UKRAINIAN.fullmatch(self._written):
            return len(digits) <= 13
        if self._has_trunk_zero():
            return True
        if _JOINTS.search(self._written) or _ODDLY.search(self._written) or self._before.text[-1:] in (".", ","):
            return False
        return len(digits) <= _LOCAL_LENGTHS[-1] and valid(digits)

    def _has_trunk_zero(self) -> bool:
        return self._digits[0] == "0" and self._digits[1] != "0" and len(self._digits) in _LOCAL_LENGTHS

    def _is_surely_abroad(self) -> bool:
        """With a plus; or two zeros and then a number that its country knows: numbers of cases have zeros as well."""
        return "+" in self._written or (self._abroad and _is_international(self._digits[2:], valid=True))

    def _is_part_of_a_word(self) -> bool:
        """Letters that touch the digits: ids have them, and people who forget a space behind the word for phone."""
        if _TOUCHING.match(self._behind) and not (self._surely_called or _EXTENDED.match(self._behind)):
            return True
        touched = _TOUCHING.match(self._before.text[-1:])
        if touched is None or self._before.calls_right_here:
            return False
        if "+" in self._written[:2]:
            return not _is_international(self._digits)
        return not touched.group().isdigit()

    def _is_an_item(self) -> bool:
        """Of a list or a table, by its odd separators: nothing says phone, or its groups are no parts of a number."""
        if not _ODDLY.search(self._written):
            return False
        if self._abroad:
            return False
        groups = re.findall(r"\d+", self._written)
        lengths = [len(group) for group in groups]
        if self._surely_called:
            return set(lengths) != {1} and not set(lengths) <= set(_ODD_GROUPS)
        if not self._has_trunk_zero() or all(group[0] == "0" for group in groups):
            return True
        return lengths != _FIVE_PAIRS and (lengths[0] < 3 or not set(lengths) <= set(_ODD_GROUPS))

    def _is_amount(self) -> bool:
        if self._written[0] in "+(" or self._abroad or self._has_trunk_zero():
            return False
        return _COUNTED.match(self._behind) is not None or self._before.prices


def _is_international(digits: str, *, valid: bool = False) -> bool:
    import phonenumbers

    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number) if valid else phonenumbers.is_possible_number(number)


def _is_valid_in(tried: Sequence[str], digits: str) -> bool:
    import phonenumbers

    for region in tried:
        try:
            number = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False
