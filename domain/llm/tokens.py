"""How many tokens a text takes at most, more or less, for models whose tokenizer is not at hand.

Four characters a token is English only: Arabic, Ukrainian or Chinese take up to a token a character, and more. Most
tokenizers work on UTF-8 bytes, so we count these: a token for every 3 ASCII characters, and for every 2 bytes of
anything else (1 for an Arabic or Cyrillic letter, 1.5 for a Chinese character). Rather too many than too few; only
noise, such as base64, takes more. Whatever is packed into prompts is packed by this rule, and no other.
"""

import sys
from bisect import bisect_right
from collections.abc import Callable

from domain.llm.calls import Prompt

ASCII_A_TOKEN = 3
BYTES_A_TOKEN = 2
DEFAULT_CONTEXT = 128_000
"""Tokens that a model takes of which nothing is known."""

_A_MESSAGE = 8
_ASCII = bytes(range(0x80))


def estimated(text: str) -> int:
    """Tokens of a text, rounded up: those of two texts together are never more than the sum of each one's."""
    if text.isascii():
        return -(-len(text) // ASCII_A_TOKEN)
    encoded = text.encode(errors="replace")
    wide = len(encoded.translate(None, _ASCII))  # 3 us for 900 characters, a loop over them takes 40
    return -(-(len(encoded) - wide) // ASCII_A_TOKEN) - (-wide // BYTES_A_TOKEN)


def beginning(text: str, tokens: int, shown: Callable[[str], str]) -> str:
    """As much of a text as takes so many tokens at most, in the form in which it is shown; all of it where that does.

    Empty where the form alone takes more. A longer text must not take fewer tokens when it is shown.
    """
    if estimated(shown(text)) <= tokens:
        return text
    lengths = range(1, len(text))
    return text[: bisect_right(lengths, tokens, key=lambda length: estimated(shown(text[:length])))]


def needed(prompt: Prompt) -> int:
    """Tokens of a prompt and of the longest answer to it."""
    return prompt.max_output_tokens + sum(estimated(one["content"]) + _A_MESSAGE for one in prompt.messages())


def room(prompt: Prompt, context_tokens: int | None) -> int:
    """Tokens that a model of this context takes beyond the prompt and its answer; below 0 where it does not hold it.

    None is a model that takes whatever comes.
    """
    return sys.maxsize if context_tokens is None else context_tokens - needed(prompt)
