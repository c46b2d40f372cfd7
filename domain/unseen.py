"""Characters that nobody sees: they hide in what was copied, and are put there to hide something."""

CONTROLS = frozenset((*range(0x20), *range(0x7F, 0xA0)))
"""C0 and C1, among them tabs and line ends."""

DEFAULT_IGNORABLE = frozenset(
    code
    for first, last in (
        (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
        (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
    )
    for code in range(first, last + 1)
)  # fmt: skip
"""Unicode's Default_Ignorable_Code_Point: joiners, marks of direction, fillers, variation selectors, tags."""

_GONE = dict.fromkeys(CONTROLS | DEFAULT_IGNORABLE)


def without_unseen(text: str) -> str:
    """The text without all of them: to compare with, not to be shown. Scripts need joiners, and lines their ends."""
    return text if text.isprintable() and text.isascii() else text.translate(_GONE)
