"""Opening the anonymiser that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.privacy.accounts import Cards, CryptoAddresses, IBANs
from adapters.privacy.anonymiser import NoAnonymiser, PatternAnonymiser
from adapters.privacy.cues import NameCues
from adapters.privacy.language import LanguageDetector
from adapters.privacy.names import AUTO, Rampart, name_recognisers
from adapters.privacy.phones import Phones
from adapters.privacy.recogniser import Recogniser
from adapters.privacy.web import Emails, IPAddresses, URLs
from domain.ports import Anonymiser


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """What an anonymiser is opened with.

    Attributes:
        anonymise: False: every text goes to the model as it is.
        ner: off: patterns and cues alone; auto: with all that is installed for names; or one of them by name.
    """

    anonymise: bool = True
    ner: str = AUTO


def patterns() -> list[Recogniser]:
    """What needs no model, the surest first."""
    return [IBANs(), CryptoAddresses(), Emails(), URLs(), IPAddresses(), Cards(), Phones(), NameCues()]


@asynccontextmanager
async def open_anonymiser(settings: PrivacySettings) -> AsyncIterator[Anonymiser]:
    """The anonymiser that the settings name, until the block ends. It loads itself beside what comes next.

    Raises:
        UserError: what is named for names is not known, or not installed.
    """
    if not settings.anonymise:
        yield NoAnonymiser()
        return
    names = name_recognisers(settings.ner)
    slow = any(isinstance(recogniser, Rampart) for recogniser in names)
    anonymiser = PatternAnonymiser([*patterns(), *names], LanguageDetector(), always_off_loop=slow)
    try:
        anonymiser.warm_up()
        yield anonymiser
    finally:
        anonymiser.close()
