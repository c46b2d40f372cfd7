"""Numbers that carry check digits: bank accounts, payment cards, addresses of cryptocurrencies."""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256

from adapters.privacy.recogniser import walked
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span

_JOINT = r"[ \n._·-]"
_IBAN = re.compile(rf"(?<![A-Za-z0-9])(?=([A-Za-z]{{2}}{_JOINT}?\d{_JOINT}?\d(?:{_JOINT}?[A-Za-z0-9]){{11,30}}))")
_AFTER_IBAN = re.compile(
    r"iban\W{0,5}(?:\w{1,12}\W{1,3}){0,2}?"
    rf"([A-Za-z]{{2}}\d{{2}}[A-Za-z0-9]*+(?:{_JOINT}(?=[A-Za-z]{{0,6}}\d)[A-Za-z0-9]++){{0,8}})",
    re.IGNORECASE,
)
"""Groups, each with a digit at its beginning or near it, are taken whole and never given back: linear."""

_SHORTEST_IBAN = 15
_LEAST_DIGITS = 4

_GROUPS = re.compile(r"(?:(?<!\d[.,])|(?<=\d{12}[.,]))(?<![\d+])\d+(?:(?:[ .\n_·-]|\n{2}| [-_·] )\d+)*")
"""Not behind a decimal's point; a comma behind another card is no point."""
_GROUP = re.compile(r"\d+")
_CARD_DIGITS = range(12, 20)
_CARD_GROUP = 4
_CARD_SEPARATORS = frozenset(" .-")
_MOST_GROUPS = 8
_ISSUERS = re.compile(
    r"[2-9].{15}$|4(?:.{12}|.{18})$|3[47].{13}$|3(?:0[0-59]|[689]).{11}$|(?:2131|1800).{11}$|(?:50|5[6-9]|6).{10,17}$"
)
"""First digits and lengths of the networks: any of 16 digits, whichever country's network it is; else Visa, American
Express, Diners, JCB, Maestro and UnionPay."""

_HASHED = re.compile(r"(?<![A-Za-z0-9])[1-9A-HJ-NP-Za-km-z]{25,112}(?![A-Za-z0-9])")
_ALPHABET = {digit: at for at, digit in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_PLAIN_CRYPTO = re.compile(
    r"(?<![A-Za-z0-9])(?:0x[0-9a-f]{40}|(?:bc|tb|ltc|bnb|cosmos|osmo|addr|stake|terra|celo)1[ac-hj-np-z02-9]{25,110}"
    r"|(?:bitcoincash:)?[qp][ac-hj-np-z02-9]{41}|[48][1-9A-HJ-NP-Za-km-z]{94}|r[1-9A-HJ-NP-Za-km-z]{27,34}(?=\W*xrp))"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)


class IBANs:
    """Bank accounts: valid by country and check digits, or a mistyped one behind the word IBAN."""

    name = "iban"

    def find(self, text: str, language: str | None) -> Sequence[Span]:  # noqa: ARG002 - the same in every language
        """Where they stand."""
        found = [span for match in _IBAN.finditer(text) if (span := _iban(text, match)) is not None]
        if "iban" in text.lower():
            found += [
                Span(match.start(1), match.end(1), Kind.IBAN)
                for match in _AFTER_IBAN.finditer(text)
                if sum(character.isdigit() for character in match[1]) >= _LEAST_DIGITS
            ]
        return found


def _iban(text: str, match: re.Match[str]) -> Span | None:
    from stdnum import iban

    places = [at for at in range(match.start(1), match.end(1)) if text[at].isalnum()]
    number = "".join(text[at] for at in places).upper()
    for length in range(len(number), _SHORTEST_IBAN - 1, -1):
        end = places[length - 1] + 1
        if text[end : end + 1].isalnum():
            continue
        if _remainder(number[:length]) != 1:
            continue
        # In one piece, the check digits alone are enough, as a bank may be of a country that the library does not know.
        whole = end - match.start() == length
        if whole or iban.is_valid(number[:length], check_country=False):
            return Span(match.start(), end, Kind.IBAN)
    return None


def _remainder(number: str) -> int:
    """ISO 7064 MOD 97-10: letters count as 10 to 35, the first four characters come last."""
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97


class Cards:
    """Payment cards: first digits and length of a network, and the check digit of ISO/IEC 7812 (Luhn)."""

    name = "card"

    def find(self, text: str, language: str | None) -> Sequence[Span]:  # noqa: ARG002
        """Where they stand."""
        return [
            span for run in _GROUPS.finditer(text) if run.end() - run.start() >= _CARD_DIGITS[0] for span in _cards(run)
        ]


def _cards(run: re.Match[str]) -> Iterator[Span]:
    """Whole groups of digits that make a card: other numbers may stand before and behind it."""
    for card in walked(list(_GROUP.finditer(run.group())), _MOST_GROUPS, _card_ends):
        yield Span(run.start() + card[0].start(), run.start() + card[-1].end(), Kind.CARD)


def _card_ends(groups: Sequence[re.Match[str]]) -> int:
    """How many groups, from the first on, make a card: as many as can; 0 = none do."""
    number, ends, oddly = "", 0, False
    for count, group in enumerate(groups, 1):
        separator = group.string[groups[count - 2].end() : group.start()] if count > 1 else ""
        oddly = oddly or not _CARD_SEPARATORS.issuperset(separator)
        # Cells of a table, say: of a card all groups but the last have four digits, or more.
        if oddly and min(len(before.group()) for before in groups[: count - 1]) < _CARD_GROUP:
            break
        number += group.group()
        if len(number) in _CARD_DIGITS and _is_card(number):
            ends = count
    return ends


def _is_card(number: str) -> bool:
    from stdnum import luhn

    return _ISSUERS.match(number) is not None and len(set(number)) > 1 and luhn.is_valid(number)


class CryptoAddresses:
    """Addresses with a hash of themselves (Bitcoin, Litecoin, Tron and their like), or of an unmistakable form."""

    name = "crypto"

    def find(self, text: str, language: str | None) -> Sequence[Span]:  # noqa: ARG002
        """Where they stand."""
        found = [*_PLAIN_CRYPTO.finditer(text)]
        found += [match for match in _HASHED.finditer(text) if _hash_fits(match.group())]
        return [Span(match.start(), match.end(), Kind.CRYPTO) for match in found]


def _hash_fits(address: str) -> bool:
    """Base58Check: the last four bytes are the first four of the rest's double SHA-256."""
    number = 0
    for character in address:
        number = number * 58 + _ALPHABET[character]
    zeros = len(address) - len(address.lstrip("1"))
    raw = b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
    body, check = raw[:-4], raw[-4:]
    return len(body) > 20 and sha256(sha256(body).digest()).digest()[:4] == check
