"""Kinds of personal data."""

from enum import StrEnum


class Kind(StrEnum):
    """What a placeholder stands for; its value is the word in the placeholder, as in `[EMAIL_1]`."""

    EMAIL = "EMAIL"
    PHONE = "PHONE"
    IBAN = "IBAN"
    CARD = "CARD"
    URL = "URL"
    IP = "IP"
    CRYPTO = "CRYPTO"
    PERSON = "PERSON"
    PLACE = "PLACE"
