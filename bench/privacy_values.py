"""Personal data that belongs to nobody: made by chance from a seed, valid where it has check digits."""

from collections.abc import Callable
from hashlib import sha256
from random import Random

GIVEN = {
    "en": "Grace Peter Amina Joseph Mary Okello Sarah Abdi Halima James Ruth Emmanuel Fatuma Daniel Blessing Ahmed",
    "fr": "Fatou Jean Aïcha Moussa Marie Ibrahima Chantal Ousmane Mariam Pascal Awa Issa Béatrice Salif Rose Étienne",
    "es": "María José Yesenia Carlos Lucía Wilmer Ana Jesús Rosa Andrés Yolanda Ángel Carmen Nelson Íngrid Luis",
    "ar": "فاطمة محمد خديجة أحمد مريم علي زينب حسن عائشة يوسف سلمى عمر هدى خالد رنا إبراهيم",
    "uk": "Олена Петро Ірина Андрій Наталія Микола Оксана Сергій Марія Іван Тетяна Юрій Галина Богдан Ольга Тарас",
}
SURNAMES = {
    "en": "Okafor Smith Wanjiru Hassan Akello Johnson Mwangi Ochieng Turner Abdullahi Nabirye Lubega Brown Adeyemi",
    "fr": "Diallo Traoré N'Diaye Kabila Ouédraogo Dupont Mbeki Coulibaly Tshisekedi Konaté Bamba Lefèvre Sawadogo",
    "es": "García Rodríguez Quispe Hernández Mamani Flores López Chávez Ramírez Zambrano Peña Morales Núñez Castillo",
    "ar": "الحسن الخطيب العلي درويش حداد النجار المصري السالم العبدالله قاسم الشامي ناصر الحموي بكري",
    "uk": "Шевченко Коваленко Бондар Ткачук Іваненко Мельник Кравчук Петренко Лисенко Гончар Павленко Савчук",
}
PLACES = {
    "en": "Kakuma|Juba|Maiduguri|Kampala|Cox's Bazar|Gulu|Nairobi|Bentiu|Lodwar|Freetown|Adjumani|Mombasa",
    "fr": "Goma|Bukavu|Bamako|Ouagadougou|N'Djamena|Port-au-Prince|Diffa|Mopti|Kinshasa|Bangui|Djibo|Zinder",
    "es": "Cúcuta|Maracaibo|Tegucigalpa|San Pedro Sula|Quito|Tapachula|Arequipa|Riohacha|Managua|Puerto Ayacucho",
    "ar": "حلب|إدلب|الموصل|صنعاء|تعز|عمّان|البقاع|الرقة|دير الزور|الخرطوم|غزة|طرابلس",
    "uk": "Харків|Маріуполь|Херсон|Запоріжжя|Ізюм|Бахмут|Чернігів|Кривий Ріг|Суми|Миколаїв|Лиман|Одеса",
}
LOCAL_PHONES = {
    "en": "07## ### ###|0712######|(415) 555-2###|+256 77# ######|"
    "0803 ### ####|+44 7### ######|202-555-01##|+1 (415) 55#-####",
    "fr": "06 ## ## ## ##|06########|76 ## ## ##|+243 81# ### ###|"
    "0033 6 12 ## ## ##|77 ### ## ##|+226 70######|07.##.##.##.##",
    "es": "612 ### ###|55 1234 ####|312 ### ####|9## ### ###|+52 1 55 #### ####|0414-123####|+57 31########|9876-54##",
    "ar": "0933 ### ###|0770 123 ####|+963 93# ### ###|0591234###|"
    "00962 79 ### ####|79 123 ###|01012345###|٠٩٤٤ ### ###",
    "uk": "067 ### ## ##|(050) ###-##-##|+38 093 ### ## ##|067#######|"
    "+380 (63) ###-##-##|0-95-###-##-##|8 099 ### ## ##|380671######",
}
"""Forms that people write, one # for each digit; not taken from the library that finds them."""

_IBANS = (
    "FR{23}",
    "DE{18}",
    "ES{20}",
    "GB|WEST{14}",
    "UA{25}",
    "JO|CBJO{22}",
    "TN{20}",
    "LB{4}|ABCDEFGH{12}",
    "PL{24}",
    "SA{20}",
    "TR{22}",
    "IT|X{22}",
)
_DIGITS_OF_ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_LATIN_NAMES = ("amina", "jose", "maria", "petro", "olena", "fatou", "moussa", "grace", "hassan", "oksana")


def digits(random: Random, mask: str) -> str:
    """The mask with a digit for each #."""
    return "".join(str(random.randrange(10)) if character == "#" else character for character in mask)


def email(random: Random, language: str) -> str:
    """Mostly plain; some in another script, some with capitals or dots."""
    name, number = random.choice(_LATIN_NAMES), random.randrange(100)
    host = random.choice(
        ("gmail.com", "yahoo.fr", "ukr.net", "hotmail.es", "relief-aid.org", "mail.co.ke", "example.com.mx")
    )
    forms = [
        f"{name}{number}@{host}",
        f"{name.title()}.{number}@{host}",
        f"{name}_x+news@{host}",
        f"{name} (at) {host}",
    ]
    forms += {"uk": [f"олена{number}@пошта.укр"], "ar": [f"أمينة{number}@موقع.مصر"]}.get(language, [])
    return random.choice(forms)


def phone(random: Random, language: str) -> str:
    """A local or an international form of the language's countries; half of the Arabic ones in Arabic digits."""
    made = digits(random, random.choice(LOCAL_PHONES[language].split("|")))
    return _in_script(random, made, language)


def iban(random: Random, language: str) -> str:  # noqa: ARG001 - the same everywhere
    """Valid by its check digits, in groups of four or in one."""
    form = random.choice(_IBANS)
    body = form[2:].replace("|", "")
    while "{" in body:
        head, _, tail = body.partition("{")
        count, _, rest = tail.partition("}")
        body = head + digits(random, "#" * int(count)) + rest
    number = int("".join(str(int(character, 36)) for character in f"{body}{form[:2]}00"))
    whole = f"{form[:2]}{98 - number % 97:02d}{body}"
    return random.choice((whole, " ".join(whole[at : at + 4] for at in range(0, len(whole), 4)), whole.lower()))


def card(random: Random, language: str) -> str:
    """Valid by its check digit, in groups or in one."""
    prefix, length = random.choice(
        (("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("62", 16), ("9860", 16))
    )
    body = prefix + digits(random, "#" * (length - 1 - len(prefix)))
    doubled = sum(
        sum(divmod(int(digit) * 2, 10)) if at % 2 == 0 else int(digit) for at, digit in enumerate(reversed(body))
    )
    whole = body + str(-doubled % 10)
    separator = random.choice(("", " ", "-"))
    return _in_script(random, separator.join(whole[at : at + 4] for at in range(0, length, 4)), language)


def url(random: Random, language: str) -> str:
    """With and without a scheme."""
    number = random.randrange(1000)
    forms = [
        f"https://forms.example.org/r/{number}?lang={language}", f"www.aid{number}.org", f"http://10.1.2.3:8080/{number}",
        f"facebook.com/user.{number}", f"relief{number}.co.ke", f"t.me/amina{number}", f"help{number}.org",
    ]  # fmt: skip
    forms += {"uk": [f"допомога{number}.укр"], "ar": [f"مساعدة{number}.مصر"]}.get(language, [])
    return random.choice(forms)


def ip(random: Random, language: str) -> str:  # noqa: ARG001
    """Of both versions."""
    if random.random() < 0.6:
        return ".".join(str(random.randrange(1, 255)) for _ in range(4))
    return random.choice(
        (f"2001:db8::{random.randrange(1, 9999)}", ":".join(f"{random.randrange(65536):x}" for _ in range(8)))
    )


def crypto(random: Random, language: str) -> str:  # noqa: ARG001
    """Bitcoin (both forms), Tron, Ethereum; with a valid hash where they have one."""
    raw = random.randbytes(20)
    forms = [_base58check(b"\0" + raw), _base58check(b"\x41" + raw), f"0x{raw.hex()}"]
    return random.choice([*forms, "bc1q" + "".join(random.choices(_BECH32, k=38))])


def person(random: Random, language: str) -> str:
    """Given name and surname, or a given name alone."""
    given = random.choice(GIVEN[language].split())
    return f"{given} {random.choice(SURNAMES[language].split())}" if random.random() < 0.75 else given


def place(random: Random, language: str) -> str:
    """A town."""
    return random.choice(PLACES[language].split("|"))


VALUES: dict[str, Callable[[Random, str], str]] = {
    "EMAIL": email, "PHONE": phone, "IBAN": iban, "CARD": card, "URL": url, "IP": ip, "CRYPTO": crypto,
    "PERSON": person, "PLACE": place, "PHONE beside words": phone,
}  # fmt: skip


UNSEEN = ("\u200b", "\u200c", "\u034f", "\u3164", "\ufe0f", "\x01", "\x0b", "\x00")
_CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")


def broken_up(kind: str) -> Callable[[Random, str], str]:
    """Values of a kind as they come out of tables, chats and keyboards: with odd separators, or with what is unseen."""

    def value(random: Random, language: str) -> str:
        made = VALUES[kind](random, language)
        way = random.choice(("unseen", "separators", "signs"))
        if way == "unseen":
            at = random.randrange(1, len(made))
            return made[:at] + random.choice(UNSEEN) + made[at:]
        if kind == "EMAIL":
            return made.replace(".", "。") if way == "separators" else f'"{made.partition("@")[0]}"@example.org'
        if way == "signs" and kind == "PHONE":
            keycaps = "".join(f"{one}\ufe0f\u20e3" if one.isdigit() else one for one in made)
            return random.choice((keycaps, made.translate(_CIRCLED)))
        separator = random.choice("\t\n_·*:," if kind == "PHONE" else "\t\n_·")
        return made.replace(" ", separator).replace("-", separator)

    return value


BROKEN_UP = ("EMAIL", "PHONE", "IBAN", "CARD")
VALUES |= {f"{kind}, broken up": broken_up(kind) for kind in BROKEN_UP}


def _in_script(random: Random, number: str, language: str) -> str:
    if language == "ar" and random.random() < 0.5:
        return number.translate(_DIGITS_OF_ARABIC)
    return number.translate(_FULL_WIDTH) if random.random() < 0.05 else number


def _base58check(body: bytes) -> str:
    raw = body + sha256(sha256(body).digest()).digest()[:4]
    number, made = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        made = _BASE58[rest] + made
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + made
