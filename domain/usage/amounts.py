"""Amounts of money as somebody writes them down: exact, and of a size that can be reckoned with."""

from collections.abc import Callable
from decimal import Decimal


def exact_number(value: object) -> object:
    """What JSON and TOML, read with Decimals, have for numbers, or text; a float would bring its own last digits.

    Raises:
        ValueError: it is none of them; the message goes behind the value's name.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("is not a number")  # noqa: TRY004 - pydantic makes a ValidationError of it
    return value


def with_places(most: int, hint: str = "") -> Callable[[Decimal], Decimal]:
    """What sees that an amount has no more places than `most`, and takes needless zeros off its end.

    To be asked behind the bounds of the amount: of digits in front of the point there may then be but a few. It looks
    at the digits, as arithmetic on an exponent such as -999999999 gives what nobody wrote, or never ends.

    Args:
        most: how many places.
        hint: what the sentence says further.

    Raises:
        ValueError: of what it makes: the amount has more.
    """

    def check(amount: Decimal) -> Decimal:
        sign, digits, exponent = amount.as_tuple()
        if not amount or not isinstance(exponent, int):
            return Decimal(0)
        end = len(digits)
        while digits[end - 1] == 0:
            end -= 1
        if exponent + len(digits) - end < -most:
            raise ValueError(f"has more than {most} places{hint}")
        return amount if exponent >= -most else Decimal((sign, digits[:end], exponent + len(digits) - end))

    return check
