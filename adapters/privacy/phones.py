"""Phone numbers, international and as they are dialled at home; and not dates, amounts and case numbers."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from adapters.privacy.regions import regions
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span

_EXTENSION = r" ?(?:x|ext\.?|extension|poste|anexo|доб\.?|вн\.?|تحويلة) ?\d{1,6}(?!\w)"
_RUN = re.compile(
    rf"(?<![\w.,])(?:\+ ?|\(\+?)?\(?\d(?:[ ().\-/]{{0,3}}\d)*\+?(?:(?!\w)|(?={_EXTENSION}))", re.IGNORECASE
)
_EXTENDED = re.compile(_EXTENSION, re.IGNORECASE)
_GROUP = re.compile(r"[+(]*\d+\)?\+?")
_JOINTS = re.compile(r" - | -|- |/|\. ")
_LENGTHS = range(7, 16)
_MOST_GROUPS = 12

_NOT_PHONES = re.compile(
    r"(?<![\d./-])(?:(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|1[0-2])\1(?:(?:19|20)?\d\d)|(?:0?[1-9]|1[0-2])/[0-3]?\d/(?:19|20)?\d\d"
    r"|(?:19|20)\d\d([-/.])[01]?\d\2[0-3]?\d)(?!\d|[./-]\d)(?:[ T,]{1,2}\d{1,2}[:.]\d\d(?:[:.]\d\d)?)?"  # dates
    r"|\b(?:19|20)\d\d ?[-/] ?(?:19|20)?\d\d\b(?![- ]?\d)"  # spans of years
    r"|\b(?:19|20)\d\d(?:[01]\d)[0-3]\d\b"  # 20240131
    r"|\b\d{1,2}:\d\d(?::\d\d)?\b"  # times
    r"|(?<![\d.])-?\d{1,3}\.\d{3,}(?![\d.])"  # coordinates
    r"|(?<![\d+])(?<!\d[ .,-])\d+(?:[ ,.]\d{3})*[.,]\d{1,2}\b(?![- .]?\d)"  # decimals
)
_MONEY = (
    r"usd|eur|gbp|xaf|xof|cdf|fcfa|cfa|ugx|kes|ksh|tzs|ngn|etb|mxn|cop|pen|iqd|syp|lbp|jod|egp|yer|uah|sdg|ssp|hnl|gtq|"
    r"dollars?|euros?|francs?|shillings?|birr|naira|pesos?|soles|bol[ií]vares|lempiras?|quetzales|dinars?|pounds?|livres?|"
    r"dólares?|гривень|гривні|грн|доларів|євро|دولار|دينار|ليرة|جنيه|ريال|يورو|درهم|[$€£₴₦₹]"
)
_UNITS = (
    r"litres?|liters?|litros?|kg|kilos?|km|meters?|metres?|metros?|tonnes?|tons?|people|persons?|families|households|"
    r"personnes|familles|ménages|personas|familias|hogares|людей|осіб|сімей|літрів|кг|км|شخص|أسرة|عائلة|لتر|كيلو|%"
)
_COUNTED = re.compile(rf" ?(?:{_MONEY}|{_UNITS})(?!\w)", re.IGNORECASE)
_PRICED = re.compile(rf"(?<!\w)(?:{_MONEY}) ?\Z", re.IGNORECASE)
_NAMED_A_CASE = re.compile(
    r"(?:(?<!\w)(?:case|file|ref|reference|registration|ticket|token|id|card|serial|order|invoice|dossier|référence|réf|"
    r"matricule|carte|caso|expediente|referencia|factura|folio|ficha|tarjeta|cédula|pasaporte|passport|passeport|"
    r"справ[аиу]|справою|заявк[аиу]|квитанці[яїю]|довідк[аиу]|картк[аиу]|паспорт|(?:ال|بال|لل)?(?:ملف|قضية|مرجع|حالة|بطاقة|تسجيل|جواز))"
    r"(?: (?:de|of|du|d') ?\w{1,12}| \w{1,12}ción)?|#)"
    r"\W{0,3}(?:(?:is|est|es|n[o°º]?|no|nr|num|number|numéro|número|id|номер|№|رقم|هو|رقمها)\W{0,3}){0,2}\Z",
    re.IGNORECASE,
)
_CALLED = re.compile(
    r"\b(?:t[eé]l(?:[eé](?:phone|fono)|\b)|phone|mobile|cell|call|ring|dial|text me|sms|whats ?app|viber|telegram|"
    r"signal|contact|reach|hotline|helpline|appel|joindre|num[eé]ro|portable|cellulaire|ll[aá]m|celular|m[oó]vil|contact[ao]|"
    r"тел|дзвон|зателефон|подзвон|моб|(?:мій|мого|моїм|моєму|свій) номер|вайбер|ватсап|вотсап|звон|"
    r"هاتف|تلفون|تليفون|جوال|موبايل|محمول|اتصل|اتصال|واتس|رقمي|الرقم|simu|namba)",
    re.IGNORECASE,
)
_LOOK_BACK = 40
_AMERICAN_OR_UKRAINIAN = re.compile(r"(?:1[ .-])?\(?\d{3}\)?[ .-]?\d{3}[.-]\d{4}|\d{3}-\d\d-\d\d")


class Phones:
    """Phone numbers: with a country's code; with a trunk zero; behind words such as phone or call; or valid by the
    numbering plan of a country where the text's language is spoken.
    """

    name = "phone"

    def find(self, text: str, language: str | None) -> Sequence[Span]:
        """Where they stand."""
        without = _NOT_PHONES.sub(lambda match: "x" * len(match.group()), text)
        tried = regions(language)
        return [span for run in _RUN.finditer(without) if len(run.group()) >= 7 for span in _in_run(text, run, tried)]


def _in_run(text: str, run: re.Match[str], tried: tuple[str, ...]) -> Iterator[Span]:
    """Numbers made of whole groups of a run of digits: two may stand side by side."""
    groups = list(_GROUP.finditer(run.group()))
    first = 0
    while first < len(groups):
        count = _taken(text, run, groups[first : first + _MOST_GROUPS], tried)
        if count:
            end = run.start() + groups[first + count - 1].end()
            extended = _EXTENDED.match(text, end)
            yield Span(run.start() + groups[first].start(), extended.end() if extended else end, Kind.PHONE)
        first += count or 1


def _taken(text: str, run: re.Match[str], groups: Sequence[re.Match[str]], tried: tuple[str, ...]) -> int:
    """How many groups, from the first on, make a number: as many as can; 0 = none do."""
    start = run.start() + groups[0].start()
    before = text[max(0, start - _LOOK_BACK) : start]
    called: bool | None = None
    for count in _fitting(groups):
        if called is None:
            called = _CALLED.search(before) is not None
            if not called and _NAMED_A_CASE.search(before):
                return 0
        end = run.start() + groups[count - 1].end()
        written = run.group()[groups[0].start() : groups[count - 1].end()]
        if _is_phone(written, tried, called=called) and not _is_amount(written, before, text[end : end + 20]):
            return count
    return 0


def _fitting(groups: Sequence[re.Match[str]]) -> list[int]:
    """How many groups have as many digits as a phone number has, the most first."""
    digits, fitting = 0, []
    for count, group in enumerate(groups, 1):
        digits += sum(character.isdigit() for character in group.group())
        if digits > _LENGTHS[-1] + 2:
            break
        if digits >= _LENGTHS[0]:
            fitting.append(count)
    return fitting[::-1]


def _is_amount(written: str, before: str, behind: str) -> bool:
    if written[0] in "+(":
        return False
    return _COUNTED.match(behind) is not None or _PRICED.search(before) is not None


def _is_phone(written: str, tried: tuple[str, ...], *, called: bool) -> bool:
    digits = "".join(character for character in written if character.isdigit())
    if "+" in written:
        return len(digits) in _LENGTHS
    if digits.startswith("00"):
        return _is_international(digits[2:])
    if len(digits) not in _LENGTHS or len(set(digits)) == 1:
        return False
    if called or _AMERICAN_OR_UKRAINIAN.fullmatch(written):
        return len(digits) <= 13
    if digits[0] == "0" and digits[1] != "0":
        return 9 <= len(digits) <= 12
    return not _JOINTS.search(written) and len(digits) <= 12 and _is_valid_in(digits, tried)


def _is_international(digits: str) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


@lru_cache(maxsize=4096)
def _is_valid_in(digits: str, tried: tuple[str, ...]) -> bool:
    import phonenumbers

    for region in tried:
        try:
            number = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False
