"""No text keeps the process busy: what recognisers take grows as the text does."""

import time

import pytest

from adapters.privacy.factory import patterns
from adapters.privacy.folding import fold
from adapters.privacy.recogniser import Recogniser

SHORT, LONG = 12_500, 100_000
ALLOWED = 5.0
"""Times that the long text may take what eight of the short one take: a quadratic one takes eight times that."""
TOO_LITTLE_TO_TELL = 0.05
FEW = 1_500
"""Characters of the shortest sample; one that is already slow there is not given a longer text."""


def repeated(text: str, length: int) -> str:
    return (text * (length // len(text) + 1))[:length]


def headed(head: str, text: str, length: int) -> str:
    return head + repeated(text, length - len(head))


HOSTILE = {
    "letters behind iban": ("iban AB121", "a"),
    "groups behind iban": ("iban AB12", " a1"),
    "many ibans": ("", "iban a b "),
    "brackets behind a url": ("http://x", ")"),
    "both brackets behind a url": ("http://x", "(]"),
    "brackets behind a url in wide characters": ("http://x\U0001f600", ")"),
    "dots": ("", "a."),
    "at signs": ("", "@"),
    "long local parts": ("", "a" * 250 + " @b.co "),
    "spelt addresses": ("", "x at x dot "),
    "quotes": ("", "\"'\"'@x.org "),
    "digits": ("", "7"),
    "single digits": ("", "1 2 3 4 5 6 7 8 9 "),
    "digits between odd separators": ("", "1_2:3,4\t5·"),
    "digits in brackets": ("", "1("),
    "colons": ("", "1:"),
    "spaces": ("1", " "),
    "titles": ("", "M. de la Aa de la "),
    "case words": ("", "case no 1 "),
}


def cpu_seconds(recogniser: Recogniser, text: str, runs: int = 1) -> float:
    """The process's own, the least of the runs: what else the machine does only adds."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        recogniser.find(text, "en")
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.parametrize(("head", "body"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("recogniser", patterns(), ids=lambda one: one.name)
def test_time_grows_with_the_text_and_not_with_its_square(recogniser: Recogniser, head: str, body: str):
    few, short, long = (fold(headed(head, body, length)).text for length in (FEW, SHORT, LONG))
    first, second = cpu_seconds(recogniser, few, runs=3), cpu_seconds(recogniser, short, runs=2)
    assert second <= max(TOO_LITTLE_TO_TELL, first * SHORT / FEW * ALLOWED)
    assert cpu_seconds(recogniser, long) <= max(TOO_LITTLE_TO_TELL * LONG / SHORT, second * LONG / SHORT * ALLOWED)
