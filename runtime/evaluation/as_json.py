"""An evaluation as `eval.json`, and its answers as `predictions.jsonl`."""

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from runtime.evaluation.collected import Collected
from runtime.evaluation.curve import MARKS
from runtime.evaluation.evaluation import Evaluation, given_to, why_none
from runtime.evaluation.labels import Labelled
from runtime.evaluation.scoring import BEST, Scores, Share
from runtime.evaluation.spending import Spending
from schemas.operations import RecordOperation

_PLACES = 4


def as_json(found: Evaluation) -> str:
    """The figures: shares from 0 to 1, US dollars, seconds. Null is unknown, or that there was nothing to score.

    `calls_per_record`, `input_tokens_per_record` and so on are of all operations together; `operations` has each. They,
    `calls` and `failed_calls` are of the evaluated records; `unanswered` has what was spent on the others, where the
    evaluation was broken off.
    """
    whole = Spending.total(found.spending.values())
    values = {
        "model": found.model,
        "answered_by": found.answered_by,
        "frameworks": [
            {"tenant_id": one.tenant_id, "framework_id": one.framework_id, "version": one.version}
            for one in found.frameworks
        ],
        "prompt_version": _prompt_version(found, RecordOperation.ASSIGN_CODES),
        "corrected_records": found.corrected,
        "records": found.asked,
        "evaluated": found.done,
        "complete": found.complete,
        "failed_records": found.failed,
        "failures": {operation: dict(sorted(reasons.items())) for operation, reasons in found.failures.items()},
        "max_codes": BEST,
        **_accuracy(found.scores),
        "no_code": {"records": found.no_code.of, "abstained": found.no_code.hits},
        **_spending(found, whole),
        "unanswered": {
            "records": found.asked - found.done,
            "calls": found.unanswered.calls,
            "known_cost_usd": _amount(found.unanswered),
        },
        "seconds_per_1000": round(found.per_record(found.seconds) * 1000, 3) if found.done else None,
        "calls_at_a_time": found.in_flight,
        "operations": {
            operation.value: {
                "prompt_version": _prompt_version(found, operation),
                **_spending(found, found.spending[operation.value]),
            }
            for operation in found.operations
        },
    }
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def predictions(records: Sequence[Labelled], done: Container[int], collected: Collected) -> Iterator[str]:
    """A line for each record that is done: who it is, what it was coded with, what is right; nothing of what it says.

    Of the others nothing is known: a line without a code would pass for a miss.
    """
    for one in (one for one in records if one.record.line in done):
        given, line = given_to(one, collected), one.record.line
        codes = zip(given.paths, given.confidences, strict=True)
        values = {
            "line": line,
            "tenant_id": one.record.tenant_id,
            "record_id": one.record.record_id,
            "codes": [{"code_id": path[-1], "confidence": confidence} for path, confidence in codes],
            "abstained": line in collected.codings and not given.paths,
            "failure": why_none(one, RecordOperation.ASSIGN_CODES, collected),
            "labels": None if one.right is None else [path[-1] for path in one.right],
        }
        yield json.dumps(values, ensure_ascii=False) + "\n"


def _prompt_version(found: Evaluation, operation: RecordOperation) -> str | None:
    return ", ".join(found.prompt_versions.get(operation.value, ())) or None


def _accuracy(scores: Scores | None) -> dict[str, Any]:
    if scores is None:
        return dict.fromkeys(("scored", "leaf", "levels", "coverage", "confidence_at_coverage", "coded"))
    points = {str(percent): scores.curve.at(percent) for percent in MARKS}
    return {
        "scored": scores.top1.of,
        "leaf": {
            "top1": _rounded(scores.top1),
            "top3": _rounded(scores.top3),
            "top1_interval_95": [round(bound, _PLACES) for bound in scores.top1.interval],
        },
        "levels": {str(number): _rounded(share) for number, share in enumerate(scores.levels, 1)},
        "coverage": {mark: point and round(point.accuracy, _PLACES) for mark, point in points.items()},
        "confidence_at_coverage": {mark: point and point.confidence for mark, point in points.items()},
        "coded": _rounded(scores.coded),
        "codes_per_record": round(scores.codes / scores.top1.of, _PLACES),
    }


def _spending(found: Evaluation, spent: Spending) -> Mapping[str, Any]:
    """What is known of it; the parts that nobody told stand beside it."""
    thousand = found.per_record(1000)
    tokens = spent.tokens_known and found.done > 0
    return {
        "calls_per_record": round(found.per_record(spent.calls), _PLACES),
        "input_tokens_per_record": round(found.per_record(spent.input_tokens), 1) if tokens else None,
        "output_tokens_per_record": round(found.per_record(spent.output_tokens), 1) if tokens else None,
        "cost_usd_per_1000": round(float(spent.cost_usd) * thousand, 6) if spent.cost_known else None,
        "calls": spent.calls,
        "failed_calls": spent.failed,
        "calls_without_usage": spent.untold,
        "unpriced_calls": spent.unpriced,
        "known_cost_usd": _amount(spent),
    }


def _amount(spent: Spending) -> str:
    return format(spent.cost_usd.normalize(), "f")


def _rounded(share: Share) -> float:
    return round(share.value, _PLACES)
