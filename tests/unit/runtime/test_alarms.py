"""The alarms and the runbook ask for what the metrics tell, and know every reason and every alarm."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.delivery.reasons import REASONS
from runtime.metrics.collector import STATES
from runtime.metrics.figures import BudgetsFigures, RollerFigures
from tests.unit.runtime.metrics_support import Page, idle_pages

ROOT = Path(__file__).parents[3]
ALERTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "docs" / "alerts.yml").read_text())["groups"][0]["rules"]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
FOREIGN = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"}


async def test_the_alarms_ask_for_metrics_that_there_are():
    pages = [*idle_pages(), Page(RollerFigures()), Page(BudgetsFigures())]
    known = {name for page in pages for name in page.names()} | FOREIGN
    for rule in ALERTS:
        asked = set(re.findall(r"\b(?:feedback|process|node)_\w+|\bup\b", rule["expr"]))
        assert asked, rule["alert"]
        assert asked <= known, rule["alert"]
        for reason in re.findall(r'reason="(\w+)"', rule["expr"]):
            assert reason in REASONS
        for state in re.findall(r'state="(\w+)"', rule["expr"]):
            assert state in STATES
    for name in re.findall(r"\bfeedback_\w+", RUNBOOK):
        assert name in known


@pytest.mark.parametrize("name", ["feedback_partitions_assigned", "feedback_inputs_finished_total"])
def test_what_a_judge_shows_does_not_count_as_the_workers(name):
    """It has the metrics of a worker, so what is summed over the workers must name their job."""
    found = [(rule["alert"], more) for rule in ALERTS for more in re.findall(rf"{name}(.{{21}})", rule["expr"])]
    assert found
    assert {more for _, more in found} == {'{job="feedback-worker'}, found


def test_a_judge_has_alarms_of_its_own_and_sets_off_none_of_the_workers():
    jobs = {rule["alert"]: set(re.findall(r'job([!=~]+"[^"]*)"', rule["expr"])) for rule in ALERTS}
    assert {alert for alert, of in jobs.items() if of == {'="feedback-judge'}} == {
        "FeedbackJudgeDown",
        "FeedbackJudgeBehind",
    }
    assert jobs["FeedbackLagGrows"] == {'!="feedback-judge'}
    assert "absent" not in next(rule["expr"] for rule in ALERTS if rule["alert"] == "FeedbackJudgeDown")


def test_each_alarm_has_its_section_and_each_section_its_alarm():
    named = [rule["alert"] for rule in ALERTS]
    sections = re.split(r"(?m)^## ", RUNBOOK)[1:]
    assert [section.partition("\n")[0] for section in sections] == named
    for rule, section in zip(ALERTS, sections, strict=True):
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        parts = re.findall(r"(?m)^- \*\*(.+?):\*\*", section)
        assert parts == ["Alarm", "Means", "Look", "Do", "Over when"], rule["alert"]
    assert set(re.findall(r"\]\(#(\w+)\)", RUNBOOK)) <= {name.lower() for name in named}


def test_the_runbook_says_what_each_reason_asks_for():
    rows = [line.split("|")[1] for line in RUNBOOK.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == sorted(REASONS)
