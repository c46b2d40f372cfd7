from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UserError
from domain.usage.budget_file import read_budgets
from domain.usage.prices import read_prices


def priced(amount: Decimal) -> Decimal:
    entry = {"model": "m", "valid_from": "2026-01-01", "input": amount, "output": 0}
    return read_prices({"prices": [entry]}, "The file").history("", "m", "m")[0].prices.input


def budgeted(amount: Decimal) -> Decimal:
    (budget,) = read_budgets({"budgets": [{"tenant": "a", "period": "day", "limit_usd": amount}]}, "The file")
    return budget.limit_usd


@given(st.integers(0, 10**10), st.integers(0, 12), st.integers(0, 60))
def test_an_amount_is_read_as_it_is_written_however_many_zeros_end_it(digits: int, places: int, zeros: int):
    told = digits * 10**zeros
    written = Decimal((0, tuple(int(digit) for digit in str(told)), -places - zeros))
    if written <= Decimal("0.01"):
        assert priced(written) == written
        assert len(f"{priced(written):f}") < 100
    if 0 < written <= 10**12:
        assert budgeted(written) == written


@pytest.mark.parametrize("read", [priced, budgeted])
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1e-13", "more than 12 places"),
        ("1e-999999", "more than 12 places"),
        ("1e-99999999999", "more than 12 places"),
        ("1e999999", "is more than"),
        ("1e99999999999", "is more than"),
        ("9" * 5000, "is more than"),
        ("0.00" + "1" * 5000, "more than 12 places"),
    ],
)
def test_an_amount_of_any_size_that_is_none_is_told_in_a_sentence(
    read: Callable[[Decimal], Decimal], written: str, said: str
):
    with pytest.raises(UserError, match=said):
        read(Decimal(written))


def test_nothing_is_nothing_whatever_its_exponent():
    assert str(priced(Decimal("0e-99999999"))) == "0"
