"""What both clients read out of an answer in the same way."""

from typing import Any

MAX_NAME = 255


def text_of(content: object) -> str | None:
    """The text of a message's `content`: a string, or the text parts of a list; None where there is none."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join(part for part in parts if isinstance(part, str)) or None
    return None


def name_of(value: object, provider: str = "") -> str | None:
    """A model's name as it may be stored: what the provider wrote, printable, of bounded length, or None.

    LiteLLM puts the provider in front of some names; it is taken off again.
    """
    if not isinstance(value, str):
        return None
    name = value if value.isprintable() else "".join(c for c in value if c.isprintable())
    name = name.strip()
    if provider:
        name = name.removeprefix(f"{provider}/")
    return name[:MAX_NAME] or None


def first_choice(choices: Any) -> dict[str, Any]:
    """The first of an answer's choices, or an empty one."""
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        choice: dict[str, Any] = choices[0]
        return choice
    return {}
