"""Where a language's speakers have their phones: the countries whose local numbers are tried."""

_BY_LANGUAGE = {
    "am": "ET",
    "ar": "EG SY IQ JO LB YE SD PS LY MA DZ TN SA AE",
    "bn": "BD IN",
    "de": "DE AT CH",
    "en": "US GB KE UG NG ZA GH ET SS IN PK BD PH ZM ZW MW SL LR",
    "es": "ES MX CO VE PE EC GT HN SV NI CR PA BO CL AR CU DO",
    "fa": "IR AF",
    "fr": "FR CD BF ML NE SN CI CM TD CF GN BJ TG MG HT RW BI BE DZ MA TN",
    "ha": "NG NE",
    "hi": "IN",
    "ht": "HT",
    "it": "IT",
    "ku": "IQ TR SY",
    "my": "MM",
    "ne": "NP",
    "pl": "PL",
    "ps": "AF PK",
    "pt": "BR MZ AO PT CV GW",
    "ro": "RO MD",
    "ru": "RU UA KZ KG TJ MD",
    "rw": "RW",
    "so": "SO KE ET",
    "sw": "TZ KE UG CD",
    "ti": "ER ET",
    "tl": "PH",
    "tr": "TR",
    "uk": "UA PL MD",
    "ur": "PK IN",
}
_ANYWHERE = "US KE UG NG FR CD ES CO EG SY IQ UA"


def regions(language: str | None) -> tuple[str, ...]:
    """Countries as ISO 3166 has them, the likely ones first.

    Args:
        language: `fr`, or `fr-CD` where the country was stated; None: not known.
    """
    code, _, country = (language or "").partition("-")
    stated = (country.upper(),) if len(country) == 2 else ()
    return tuple(dict.fromkeys((*stated, *_BY_LANGUAGE.get(code, _ANYWHERE).split())))
