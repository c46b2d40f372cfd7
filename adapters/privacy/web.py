"""Email addresses, URLs and IP addresses.

No expression here takes more than linear time: what stands before a sign is read backwards from it, within a bound.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from adapters.privacy.domain_names import is_domain
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span

_NO_SPACES_BETWEEN_WORDS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: an address that stands in such a text touches its words."""

_LONGEST_LOCAL = 256
"""Characters before the @ that are taken; 64 are allowed, and more are written."""

_LOCAL = re.compile(rf"(?:(?![{_NO_SPACES_BETWEEN_WORDS}])[\w.+%&'=-]){{1,{_LONGEST_LOCAL}}}")
_LOCAL_WITHOUT_SPACES = re.compile(rf"\w{{1,{_LONGEST_LOCAL}}}")
_QUOTED = {'"': '"', "'": "'", "”": "“", "’": "‘", "»": "«"}
"""Quotes around the local part, by the one that ends it."""

_TOP = r"(?:xn--[a-z0-9-]{1,59}|[a-z]{2,24}|[^\W\d_]{2,24})"
_DOMAIN = re.compile(rf" ?((?:[\w-]{{1,63}}\.){{1,8}}{_TOP}|\[?\d{{1,3}}(?:\.\d{{1,3}}){{3}}\]?)", re.IGNORECASE)
_AT_WORD = r"(?:at|arroba|arobase|chez|собака|ат|آت|at sign)"
_DOT_WORD = r"(?:dot|punto|point|крапка|точка|نقطة|دوت)"
_SPELT = re.compile(
    rf" ?(?:[\[({{<] ?(?:{_AT_WORD}|@) ?[\])}}>]| {_AT_WORD} ) ?"
    rf"[\w-]{{1,63}}(?:(?: ?[\[({{<] ?(?:{_DOT_WORD}|\.) ?[\])}}>] ?| {_DOT_WORD} |\.)[\w-]{{1,63}}){{1,4}}",
    re.IGNORECASE,
)
_SPELT_PLAINLY = re.compile(rf" {_AT_WORD} [\w-]{{1,63}}\.", re.IGNORECASE)

_SCHEME = re.compile(r"(?<![a-z0-9])(?:[a-z][a-z0-9+-]{1,15}://|www\.)[^\s<>\"«»“”]+", re.IGNORECASE)
_BARE = re.compile(
    r"(?<![\w@.-])((?:[\w-]{1,63}\.){1,8}(?:xn--[a-z0-9-]{1,59}|[^\W\d_]{2,24}))(?![\w-])"
    r"((?::\d{1,5})?(?:[/?#][^\s<>\"«»“”]*)?)",
    re.IGNORECASE,
)
_BEHIND = ".,;:!?'*_،؛؟。，、！…"
_BRACKETS = {")": "(", "]": "[", "}": "{"}

_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])", re.IGNORECASE
)


class Emails:
    """Email addresses, also spelt `name (at) example (dot) org` and with an address in another script."""

    name = "email"

    def find(self, text: str, language: str | None) -> Sequence[Span]:  # noqa: ARG002 - the same in every language
        """Where they stand."""
        return [*self._written(text), *self._spelt(text)]

    def _written(self, text: str) -> Iterator[Span]:
        at = text.find("@")
        while at >= 0:
            domain, before = _DOMAIN.match(text, at + 1), at - (text[max(0, at - 1) : at] == " ")
            start = _local(text, before) if domain else at
            if domain and start < before and (before == at or not text[start:before].isdigit()):
                yield Span(start, domain.end(), Kind.EMAIL)
            at = text.find("@", at + 1)

    def _spelt(self, text: str) -> Iterator[Span]:
        for match in _SPELT.finditer(text):
            start = _local(text, match.start())
            # "at example.org" alone says where, not who.
            if start < match.start() and not _SPELT_PLAINLY.match(match.group()):
                yield Span(start, match.end(), Kind.EMAIL)


def _local(text: str, end: int) -> int:
    """Where what stands before the @ at `end` begins; `end` where nothing does. Read backwards: linear."""
    before = text[max(0, end - _LONGEST_LOCAL) : end]
    if before[-1:] in _QUOTED:
        opened = before.rfind(_QUOTED[before[-1]], 0, -1)
        if opened >= 0 and "\n" not in before[opened:]:
            return end - len(before) + opened
    found = _LOCAL.match(before[::-1]) or _LOCAL_WITHOUT_SPACES.match(before[::-1])
    return end - len(found.group()) if found else end


class URLs:
    """Addresses of the web, with or without `https://`."""

    name = "url"

    def find(self, text: str, language: str | None) -> Sequence[Span]:  # noqa: ARG002
        """Where they stand."""
        if "." not in text and "://" not in text:
            return []
        found = [_trimmed(match) for match in _SCHEME.finditer(text)]
        return found + [_trimmed(match) for match in _BARE.finditer(text) if is_domain(match[1], path=bool(match[2]))]


def _trimmed(match: re.Match[str]) -> Span:
    """Without the punctuation of the sentence around it."""
    url = match.group()
    end, unopened = len(url), dict[str, int]()
    while end:
        last = url[end - 1]
        if last in _BRACKETS:
            if last not in unopened:
                unopened[last] = url.count(last) - url.count(_BRACKETS[last])
            if unopened[last] <= 0:
                break
            unopened[last] -= 1
        elif last not in _BEHIND:
            break
        end -= 1
    return Span(match.start(), match.start() + max(1, end), Kind.URL)


class IPAddresses:
    """Addresses of machines, of both versions."""

    name = "ip"

    def find(self, text: str, language: str | None) -> Sequence[Span]:  # noqa: ARG002
        """Where they stand."""
        found = [*_IPV4.finditer(text)] if "." in text else []
        if ":" in text:
            found += [
                match for match in _IPV6.finditer(text) if match.group().count(":") > 2 or match.group()[:2] == "::"
            ]
        return [Span(match.start(), match.end(), Kind.IP) for match in found if _is_address(match.group())]


def _is_address(text: str) -> bool:
    try:
        return ip_address(text).version == 4 or any(character.isdigit() for character in text)
    except ValueError:
        return False
