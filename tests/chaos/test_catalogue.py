"""The catalogue of cases."""

from tests.chaos.catalogue import all_cases


def test_each_case_says_what_it_is_about():
    assert [case.name for case in all_cases().values() if not case.about.endswith(".")] == []
