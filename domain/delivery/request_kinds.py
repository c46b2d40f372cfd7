"""What a request without a declared type asks for, told by the names of its fields alone."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

INSTRUCTION = "instruction"
_LIKENESS = 0.9
"""One letter too many or too few, two that changed places; not `construction`, nor `instruction_id`."""
_OTHER_NAMES = frozenset({"instruct", "ask", "queries"})
_LAST_WORDS = (INSTRUCTION, "question", "query", "prompt")
"""As in `user_question`, `analysisInstruction` or `prompt_text`; in the plural, too."""
_LONGEST = 64
_LENGTHS = range(len(INSTRUCTION) - 2, len(INSTRUCTION) + 3)
"""Names of any other length are less alike than that."""
_MOST_NAMES = 1000
"""So many names of such lengths are held against ours: each takes its time, up to 20 us."""
_NO_LETTERS = re.compile(r"[^a-z]+")


def is_meant(names: Iterable[str]) -> bool:
    """Whether one of these names was probably meant to be `instruction`: nearly it, or another word for it."""
    folded = [name.strip().casefold() for name in names]
    if any(_means_it(name) for name in folded if len(name) <= _LONGEST):
        return True
    near = islice((name for name in folded if len(name) in _LENGTHS), _MOST_NAMES)
    return bool(get_close_matches(INSTRUCTION, list(near), 1, _LIKENESS))


def _means_it(name: str) -> bool:
    if name in _OTHER_NAMES:
        return True
    letters = _NO_LETTERS.sub("", name).removesuffix("text")
    return letters.removesuffix("s").endswith(_LAST_WORDS)
