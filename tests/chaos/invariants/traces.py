"""I8: nothing secret is left where people can read it, and a process holds no more than before."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import quote, quote_plus

from tests.chaos.evidence import Vitals

_SHORTEST = 6
"""Characters: a shorter piece of base64 is found anywhere by chance."""

_GROWTH = 0.10
_FLOORS = {"memory": 4 * 2**20, "descriptors": 3, "tasks": 3}
"""What a quantity may grow by, however small it was: a page more or a connection more is no leak."""


def no_secret_told(texts: Mapping[str, str], secrets: Sequence[str]) -> Iterator[str]:
    """I8: no text has a secret in it, neither as it is nor escaped for JSON, in base64 or quoted for a URL.

    Raises:
        ValueError: a secret is empty: it would be found in every text.
    """
    for number, secret in enumerate(secrets, 1):
        if not secret:
            raise ValueError(f"secret {number} is empty: it is in every text")
        forms = _forms(secret)
        for name, text in texts.items():
            kind = next((kind for form, kind in reversed(forms.items()) if form in text), None)
            if kind is not None:
                yield f"secret {number} of {len(secrets)} stands in {name}, {kind}"


def _forms(secret: str) -> dict[str, str]:
    """All ways in which it is looked for, and how each is called: by the plainest name that fits."""
    found = [(secret, "as it is")]
    for readable in (True, False):
        once = json.dumps(secret, ensure_ascii=readable)[1:-1]
        twice = json.dumps(once, ensure_ascii=readable)[1:-1]
        found += [(once, "escaped for JSON"), (twice, "escaped for JSON twice")]
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        found += [(form, "quoted for a URL") for form in (quoted, _lower_hex(quoted))]
    for encode in (b64encode, urlsafe_b64encode):
        found += [(form, "in base64") for form in _base64(secret.encode(), encode) if len(form) >= _SHORTEST]
    return dict(reversed(found))


def _lower_hex(quoted: str) -> str:
    head, *parts = quoted.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in parts)])


def _base64(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """What any text with the bytes in it has in its base64: the characters that no neighbour has a part in."""
    for before in range(3):
        text = encode(b"\0" * before + raw).decode("ascii")
        yield text[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]


def looked_at(
    watched: Sequence[str], vitals: Mapping[str, tuple[Vitals, Vitals]], texts: Mapping[str, str]
) -> Iterator[str]:
    """I8: of each process that lived through the case the vitals were taken and the metrics were read."""
    read = {name.partition(",")[0] for name, text in texts.items() if text}
    for name in watched:
        if name not in vitals:
            yield f"nobody looked at {name}"
        if f"metrics of {name}" not in read:
            yield f"nobody looked at the metrics of {name}"


def vitals_back(vitals: Mapping[str, tuple[Vitals, Vitals]]) -> Iterator[str]:
    """I8: memory, descriptors and tasks of a process are at most a tenth above what they were, or a small floor."""
    for name, (before, after) in vitals.items():
        for quantity, floor in _FLOORS.items():
            had, has = getattr(before, quantity), getattr(after, quantity)
            if had is None or has is None:
                continue
            if has - had > max(had * _GROWTH, floor):
                yield f"{quantity} of {name} grew from {had} to {has} (+{100 * (has - had) / max(had, 1):.1f} %)"
