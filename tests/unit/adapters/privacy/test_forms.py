"""Forms that people write in a hurry, from a phone or out of a table; and what must not be taken for them."""

import pytest

from adapters.privacy.accounts import Cards, IBANs
from adapters.privacy.phones import Phones
from adapters.privacy.web import Emails, URLs
from tests.unit.adapters.privacy.test_recognisers import found

WRITTEN = "0712345678"
KEYCAPS = "".join(f"{digit}\ufe0f\u20e3" for digit in WRITTEN)


@pytest.mark.parametrize(
    "text",
    [
        "Please call me, Tel.{} thanks",
        "call me phone{} please",
        "_{}_ is mine",
        "give it to _{}_ or to nobody",
        "passport office number {}",
        "token {} is my phone number",
        "the file of {} (my WhatsApp)",
        "€{} call me",
        "call {}x",
        "اتصل بي ب{} شكرا",
        "电话{}谢谢",
        "Sugar is missing,{}",
    ],
)
def test_what_stands_beside_a_phone_number_does_not_hide_it(text: str):
    assert found(Phones(), text.format(WRITTEN), "en") == [WRITTEN]


@pytest.mark.parametrize(
    "number",
    [
        *(f"0712{separator}345{separator}678" for separator in "\t\n\r\u2028·_,:*…•|"),
        "0712\r\n345678",
        "0712 · 345 · 678",
        "0712\u034f345\u3164678",
        "0712\u115f345\ufe0f678",
        "0\u03367\u03361\u03362\u0336345678",
        KEYCAPS,
        "⓪⑦①②③④⑤⑥⑦⑧",
        "0_7_1_2_3_4_5_6_7_8",
    ],
)
def test_neither_do_separators_that_phone_numbers_seldom_have(number: str):
    assert found(Phones(), f"call {number} please", "en") == [number]


@pytest.mark.parametrize("number", ["0712_345_678", "0712\t345\t678", "0712\n345\n678", "0712·345·678"])
def test_a_trunk_zero_needs_no_word_beside_it(number: str):
    assert found(Phones(), f"Sugar is missing. {number}", "en") == [number]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("my numbers are 0712345678,0733123456", ["0712345678", "0733123456"]),
        ("call 0712345678\n12 tents are broken", ["0712345678"]),
        ("0712345678,12 tents", ["0712345678"]),
        ("0712345678\n0733123456", ["0712345678", "0733123456"]),
        ("We wait. +243,816,926,887", ["+243,816,926,887"]),
        ("id+254712345678", ["+254712345678"]),
        ("file 00254712345678", ["00254712345678"]),
        ("+254 712 345 678+254733123456", ["+254 712 345 678", "+254733123456"]),
    ],
)
def test_numbers_side_by_side(text: str, numbers: list[str]):
    assert found(Phones(), text, "en") == numbers


@pytest.mark.parametrize(
    "text",
    [
        "gpt-4o-mini-2024-07-18 answered",
        "claude-20241022 and 2024-07-18-draft",
        "550e8400-e29b-41d4-a716-446655440000",
        "household HH0712345678, bag B48123412",
        "Family 12\t340\t567",
        "12\n340\n5678",
        "We called about rooms 12, 14, 16 and 18",
        "They called and promised 1,250,000",
        "ratings 5,4,3,5,4,3,2,1",
        "0123,0124,0125",
        "-12,0464 and 77,0428",
        "case 48123412 was closed, my phone is off",
        "case 48123412, my phone is +254712345678"[:13],
        "file 48123412 phone is dead",
        "at 10:30:15 on 2024.01.31",
        "order 0712345678",
        "order no. 006277228",
        "1000+2000 is 3000",
    ],
)
def test_ids_dates_tables_and_amounts_are_no_phone_numbers(text: str):
    assert found(Phones(), text, "en") == []


def test_a_case_number_beside_a_phone_number_stays():
    assert found(Phones(), "case 48123412, my phone is 0712345678", "en") == ["0712345678"]


@pytest.mark.parametrize("separator", ["\t", "_", "\n", "·", ".", "\u3164", "\u034f"])
def test_separators_do_not_hide_accounts(separator: str):
    card = separator.join(("4111", "1111", "1111", "1111"))
    account = separator.join(("GB82", "WEST", "1234", "5698", "7654", "32"))
    assert found(Cards(), f"card {card} paid") == [card]
    assert found(IBANs(), f"account {account} please") == [account]


def test_cards_side_by_side_and_decimals():
    assert found(Cards(), "4111111111111111,5555555555554444") == ["4111111111111111", "5555555555554444"]
    assert found(Cards(), "ratio 0,4111111111111111") == []


@pytest.mark.parametrize(
    ("text", "ibans"),
    [
        ("iban: FR14 2004 1010 0505 0001 3M02 607 and more", ["FR14 2004 1010 0505 0001 3M02 607"]),
        ("IBAN is AB1234567890123456", ["AB1234567890123456"]),
        ("the iban form AB12 was lost", []),
    ],
)
def test_mistyped_accounts_behind_their_word(text: str, ibans: list[str]):
    assert found(IBANs(), text) == ibans


@pytest.mark.parametrize(
    ("text", "emails"),
    [
        ("mail amina@example。org please", ["amina@example。org"]),
        (f"to {'a' * 90}@example.org", [f"{'a' * 90}@example.org"]),
        ('to "amina diallo"@example.org now', ['"amina diallo"@example.org']),
        ("to 'amina diallo'@example.org now", ["'amina diallo'@example.org"]),
        ("to a\u034fmina@exam\u3164ple.org now", ["a\u034fmina@exam\u3164ple.org"]),
    ],
)
def test_odd_emails(text: str, emails: list[str]):
    assert found(Emails(), text) == emails


def test_a_full_stop_of_chinese_is_the_end_of_a_sentence():
    assert found(URLs(), "需要水。中国，我们") == []


def test_a_bracket_that_closes_nothing_in_a_url_is_no_part_of_it():
    assert found(URLs(), "http://x.org/a_(b)_((c)))).") == ["http://x.org/a_(b)_((c))"]
