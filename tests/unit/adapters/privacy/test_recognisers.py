"""What each recogniser finds, and what it leaves alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.privacy.accounts import Cards, CryptoAddresses, IBANs
from adapters.privacy.cues import NameCues
from adapters.privacy.factory import patterns
from adapters.privacy.folding import fold
from adapters.privacy.phones import Phones
from adapters.privacy.recogniser import Recogniser
from adapters.privacy.web import Emails, IPAddresses, URLs
from domain.privacy.spans import settled


def found(recogniser: Recogniser, text: str, language: str | None = None) -> list[str]:
    folded = fold(text)
    spans = settled(folded.text, [recogniser.find(folded.text, language)])
    return [text[span.start : span.end] for span in folded.as_written(spans)]


@pytest.mark.parametrize(
    ("text", "emails"),
    [
        ("Write to amina@example.org, please.", ["amina@example.org"]),
        ("JUAN.Perez+1@Ejemplo.com.mx!", ["JUAN.Perez+1@Ejemplo.com.mx"]),
        ("пишіть на олена7@пошта.укр завтра", ["олена7@пошта.укр"]),
        ("بريدي أمينة@موقع.مصر شكرا", ["أمينة@موقع.مصر"]),
        ("请联系test@example.com", ["test@example.com"]),
        ("ｆｏｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", ["ｆｏｏ＠ｅｘａｍｐｌｅ．ｃｏｍ"]),
        ("\u200ffoo\u200e@x\u200e.org\u200f", ["foo\u200e@x\u200e.org"]),
        ("bob (at) example (dot) org", ["bob (at) example (dot) org"]),
        ("bob at gmail dot com", ["bob at gmail dot com"]),
        ("a @ x.org", ["a @ x.org"]),
        ("We bought 3 @ 5.50 at the market.", []),
        ("See us at example.org", []),
        ("@", []),
    ],
)
def test_emails(text: str, emails: list[str]):
    assert found(Emails(), text) == emails


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("(see https://example.org/a_(b)?q=1).", ["https://example.org/a_(b)?q=1"]),
        ("www.foo.org, example.co.uk and unhcr.org!", ["www.foo.org", "example.co.uk", "unhcr.org"]),
        ("допомога.укр та t.me/amina", ["допомога.укр", "t.me/amina"]),
        ("The well is dry.The people wait.it is bad.so sad", []),
        ("i.e. 8 p.m., e.g. 2.5.kg, No.12, 10.30am", []),
    ],
)
def test_urls(text: str, urls: list[str]):
    assert found(URLs(), text) == urls


def test_ip_addresses_and_not_times_or_versions():
    assert found(IPAddresses(), "10.0.0.1 2001:db8::1 ::1 [fe80:0:0:0:1:2:3:4]") == [
        "10.0.0.1",
        "2001:db8::1",
        "::1",
        "fe80:0:0:0:1:2:3:4",
    ]
    assert found(IPAddresses(), "at 10:30:15, 1.2.3, 1.2.3.4.5, 300.1.1.1, std::dec, a :: b") == []


@pytest.mark.parametrize(
    ("text", "ibans"),
    [
        ("GB82 WEST 1234 5698 7654 32 please", ["GB82 WEST 1234 5698 7654 32"]),
        ("de89370400440532013000, please", ["de89370400440532013000"]),
        ("FR14-2004-1010-0505-0001-3M02-606.", ["FR14-2004-1010-0505-0001-3M02-606"]),
        ("SA03 ٨٠٠٠ ٠٠٠٠ ٦٠٨٠ ١٠١٦ ٧٥١٩", ["SA03 ٨٠٠٠ ٠٠٠٠ ٦٠٨٠ ١٠١٦ ٧٥١٩"]),
        ("GB90PTXM6697251027346 has the right check digits", ["GB90PTXM6697251027346"]),
        ("my IBAN is FR14 2004 1010 0505 0001 3M02 607", ["FR14 2004 1010 0505 0001 3M02 607"]),
        ("the code GB82 WEST 1234 5698 7654 33 is wrong", []),
    ],
)  # fmt: skip
def test_ibans_by_their_check_digits_or_behind_the_word(text: str, ibans: list[str]):
    assert found(IBANs(), text) == ibans


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("4111 1111 1111 1111", ["4111 1111 1111 1111"]),
        ("5 5555-5555-5555-4444 12", ["5555-5555-5555-4444"]),
        ("٤١١١ ١١١١ ١١١١ ١١١١ و378282246310005", ["٤١١١ ١١١١ ١١١١ ١١١١", "378282246310005"]),
        ("4111 1111 1111 1112 and 1234567812345670 and 0000000000000000", []),
    ],
)
def test_cards_by_their_check_digit_and_network(text: str, cards: list[str]):
    assert found(Cards(), text) == cards


def test_crypto_addresses_by_their_hash_or_form():
    real = [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC",
    ]
    assert found(CryptoAddresses(), " ".join(real)) == real
    assert found(CryptoAddresses(), "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb Internationalisationsprobleme") == []


@pytest.mark.parametrize(
    ("language", "text", "phones"),
    [
        ("en", "call 0712 345 678 or +44 (0)20 7946 0958", ["0712 345 678", "+44 (0)20 7946 0958"]),
        ("en", "(415) 555-2671/415-555-2672", ["(415) 555-2671", "415-555-2672"]),
        ("fr", "le 06 12 34 56 78, 07.02.22.30.36", ["06 12 34 56 78", "07.02.22.30.36"]),
        ("fr", "ou 0033612345678", ["0033612345678"]),
        ("fr", "Il manque du sucre. 76 12 34 56", ["76 12 34 56"]),
        ("es", "Soy Ana 612 345 678", ["612 345 678"]),
        ("ar", "اتصل على ٠٩٣٣ ١٢٣ ٤٥٦ أو ٩٦٣٩٣٣١٢٣٤٥٦+", ["٠٩٣٣ ١٢٣ ٤٥٦", "٩٦٣٩٣٣١٢٣٤٥٦+"]),
        ("uk", "тел. (067) 123-45-67, 0671234567", ["(067) 123-45-67", "0671234567"]),
        ("uk", "мій номер 748-33-78", ["748-33-78"]),
        ("en", "+1-912-490-4047x96669 or 0712345678 ext. 12", ["+1-912-490-4047x96669", "0712345678 ext. 12"]),
        (None, "WhatsApp: 12345678", ["12345678"]),
        ("en", "０７１２３４５６７８", ["０７１２３４５６７８"]),
        ("en", "on 12/05/2023 at 10:30, since 2019-2021, on 2024-01-15 and 20240131", []),
        ("en", "250,000 shillings, 25 000 000 UGX, 1 250 000 people, 38.5 degrees", []),
        ("en", "case no 48123412, ration card no 77123419, ref: 0712345678", []),
        ("ar", "الحالة رقم 48123412 ومبلغ ٢٥٠٠٠٠٠٠ ليرة", []),
        ("uk", "справа № 48123412, 25 000 000 грн", []),
        ("es", "la bomba está en -12.0464, -77.0428", []),
    ],
)  # fmt: skip
def test_phones(language: str | None, text: str, phones: list[str]):
    assert found(Phones(), text, language) == phones


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("My name is Amina Diallo and I wait.", ["Amina Diallo"]),
        ("Dr. John Smith and Mrs Al-Hassan", ["John Smith", "Al-Hassan"]),
        ("Je m'appelle Fatou N'Diaye. M. Traoré non.", ["Fatou N'Diaye", "Traoré"]),
        ("Me llamo José de la Cruz, la señora Peña sí", ["José de la Cruz", "Peña"]),
        ("Мене звати Олена Петренко. Пан Іваненко ні.", ["Олена Петренко", "Іваненко"]),
        ("اسمي فاطمة الزهراء وأعيش في حلب", ["فاطمة الزهراء"]),
        ("السيد أحمد محمد لم يأت", ["أحمد محمد"]),
        ("My name is not on the list. This is The end. dr said no", []),
        ("اسمي ليس في القائمة"[:5], []),
    ],
)
def test_names_behind_their_cues(text: str, names: list[str]):
    assert found(NameCues(), text) == names


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("a1. @-+()/:٠é\u200eх[]xfr0GB#"), max_size=60))
def test_whatever_comes_spans_lie_in_the_text(text: str):
    folded = fold(text)
    for recogniser in patterns():
        for span in folded.as_written(recogniser.find(folded.text, "en")):
            assert 0 <= span.start < span.end <= len(text)
