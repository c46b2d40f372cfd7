"""What `feedback usage --failures` prints: within 100 columns, and no number cut."""

from typing import Any

from api.usage_examples import FAILURES
from runtime.cli.failures_view import failures_shown
from tests.unit.runtime.test_usage_view import printed


def large(operation: str | None) -> dict[str, Any]:
    view = {"total": 10_123_456, "cost_usd": "1234567.89", "failed": 5_061_728, "failed_cost_usd": "1234567.89"}
    again = {"invocations": 9_876_543, "calls": 9_876_544, "cost_usd": "1234567.89", "unpriced": 3}
    answered = {"after_an_answer": 1_234_567, "after_an_answer_cost_usd": "0.00012", "not_told": 7}
    views = {name: {**view, "failed_unpriced": 2} for name in ("llm_calls", "invocations")}
    return {"operation": operation, **views, "retries": again, "repeats": {**again, **answered}}


def test_the_largest_numbers_fit_and_names_fold():
    kind = {"operation": "[red]x\x1b[31m", "model": "m" * 255, "error_class": None, "failed_calls": 10_123_456}
    kind |= {"failed_calls_cost_usd": "0", "failed_invocations": 1, "failed_invocations_cost_usd": "0"}
    answer = FAILURES | {"total": large(None), "operations": [large("an operation " * 20)], "kinds": [kind] * 31}

    lines = printed(*failures_shown(answer))

    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert "…" not in text
    for number in ("10,123,456", "5,061,728", "$1,234,567.89", "9,876,543", "9,876,544", "1,234,567", "$0.00012"):
        assert number in text, number
    assert "\x1b" not in text
    assert "The 30 most frequent of 31 kinds" in text
    assert "Of 7 invocations it is not told whether they are repeats." in text
    assert "2 failed invocations, 3 retries and 3 repeats" in text.replace("\n", " ")
    assert lines[-1] == "As of 2026-12-01 08:12:44 UTC."


def test_where_nothing_failed_there_is_no_table_of_kinds():
    nothing = large(None)
    nothing["repeats"] |= {"not_told": 0}
    assert "error" not in "\n".join(printed(*failures_shown(FAILURES | {"total": nothing, "kinds": []})))
