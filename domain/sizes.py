"""How large things are where they travel."""

from pydantic_core import to_json


def bytes_in_json(value: object) -> int:
    """How many bytes a text, or a part of an event, takes in a message: UTF-8, quotes and escapes included."""
    return len(to_json(value, exclude_none=True))
