"""How many tokens a text takes at most, more or less, for models whose tokenizer is not at hand.

Four characters a token is English only: Arabic, Ukrainian or Chinese take up to a token a character, and more. Most
tokenizers work on UTF-8 bytes, so we count these: a token for every 3 ASCII characters, and for every 2 bytes of
anything else (1 for an Arabic or Cyrillic letter, 1.5 for a Chinese character). Rather too many than too few; only
noise, such as base64, takes more.
"""

from domain.llm.calls import Prompt

ASCII_A_TOKEN = 3
BYTES_A_TOKEN = 2
DEFAULT_CONTEXT = 128_000
"""Tokens that a model takes of which nothing is known."""

_A_MESSAGE = 8


def estimated(text: str) -> int:
    """Tokens of a text, rounded up."""
    characters, size = len(text), len(text.encode(errors="replace"))
    # In UTF-8 a character is ASCII, or has at least two bytes: what is not ASCII is counted without a copy of it.
    wide = 0 if size == characters else sum(character > "\x7f" for character in text)
    ascii_characters = characters - wide
    return -(-ascii_characters // ASCII_A_TOKEN) - (-(size - ascii_characters) // BYTES_A_TOKEN)


def needed(prompt: Prompt) -> int:
    """Tokens of a prompt and of the longest answer to it."""
    return prompt.max_output_tokens + sum(estimated(one["content"]) + _A_MESSAGE for one in prompt.messages())
