"""The quick cases, as `make chaos-quick` runs them: each must pass every invariant."""

import pytest

from tests.chaos.catalogue import all_cases
from tests.chaos.runner import run_cases

SEED = 4


@pytest.mark.timeout(900)
async def test_what_is_broken_quickly_loses_and_doubles_nothing(tmp_path):
    quick = [case for case in all_cases().values() if case.quick]
    failed = [outcome.figures() async for outcome in run_cases(quick, SEED, tmp_path) if not outcome.passed]
    assert failed == []


def test_each_case_says_what_it_is_about():
    assert [case.name for case in all_cases().values() if not case.about.endswith(".")] == []
