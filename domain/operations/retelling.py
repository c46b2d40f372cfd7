"""A result in plain words, for who judges it: what it says, without ids, models and times."""

from collections.abc import Callable
from typing import Any

from schemas.results import (
    AnalysisCompleted,
    CodesAssigned,
    RecordsSummarized,
    RecordSummarized,
    Result,
    SensitivityDetected,
)

NO_CODE = "No code: "
"""What a coding begins with that abstains; why it does so follows."""
NOTHING_SENSITIVE = "Nothing sensitive."
"""What a screening says that found nothing."""


def kind_of(result: Result) -> str:
    """The kind of a result, one of ours, in one word."""
    return _RETOLD[type(result)][0]


def retold(result: Result) -> str:
    """What a result of ours says."""
    return _RETOLD[type(result)][1](result)


def _coding(result: CodesAssigned) -> str:
    if not result.codes:
        return f"{NO_CODE}{result.abstained_because or 'no reason given'}"
    return "\n".join(f"{' > '.join(step.name for step in code.path)}: {code.reason}" for code in result.codes)


def _summary(result: RecordSummarized) -> str:
    return "\n".join([result.title, *(f"- {bullet}" for bullet in result.bullets)])


def _screening(result: SensitivityDetected) -> str:
    if not result.findings:
        return NOTHING_SENSITIVE
    return "\n".join(f"{finding.type}: {finding.reason}" for finding in result.findings)


def _analysis(result: AnalysisCompleted) -> str:
    return result.answer


def _aggregate(result: RecordsSummarized) -> str:
    counted = ((theme, theme.count or len(theme.record_ids)) for theme in result.themes)
    themes = (f"- {theme.title} ({count} records): {theme.summary}" for theme, count in counted)
    return "\n".join([result.title, *themes])


_RETOLD: dict[type[Result], tuple[str, Callable[[Any], str]]] = {
    CodesAssigned: ("coding", _coding),
    RecordSummarized: ("summary", _summary),
    SensitivityDetected: ("screening", _screening),
    AnalysisCompleted: ("analysis", _analysis),
    RecordsSummarized: ("aggregate", _aggregate),
}
