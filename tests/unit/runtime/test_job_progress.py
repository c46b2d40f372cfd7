"""What a person sees of a job's progress; and how long it waits where there is none."""

import io
from uuid import uuid4

from rich.console import Console

from runtime.job.ledger import Ledger
from runtime.job.patience import Patience
from runtime.job.progress import JobProgress
from runtime.job.records_file import FileRecord
from schemas.cloudevents import deterministic_id, identify
from schemas.operations import RecordOperation
from schemas.topics import RECORDS


def a_job() -> tuple[Ledger, list[str]]:
    """Two records to be summarised, and the ids of their events."""
    ledger = Ledger("run")
    records = [FileRecord(line, f"r{line}", "t", (RecordOperation.SUMMARIZE,), {}) for line in (1, 2)]
    for record in records:
        ledger.expect(record, "test")
    headers = [[("ce_source", b"test"), ("ce_id", ledger.event_id(record).encode())] for record in records]
    return ledger, [identify(RECORDS.name, None, None, header).event_id for header in headers]


def watched(*, terminal: bool) -> str:
    """What is written while a job of two records, one of them bad, comes to its end."""
    said = io.StringIO()
    ledger, (one, two) = a_job()
    call = uuid4()
    with JobProgress(Console(file=said, force_terminal=terminal, width=100, color_system=None), str) as progress:
        progress.update(ledger, 0)
        ledger.published = 2
        ledger.result(deterministic_id(one, "summarize"))
        ledger.dead_letter(deterministic_id(two, "dead_letter", ""))
        ledger.calls.add(call)
        progress.update(ledger, 1)
    return said.getvalue()


def test_without_a_terminal_the_last_line_has_the_totals():
    *_, last = watched(terminal=False).splitlines()
    assert last == "published 2/2, coded 0, summarised 1, dead-lettered 1, LLM calls stored 1/1"


def test_on_a_terminal_dead_letters_are_a_count_and_no_unfinished_bar():
    lines = [line.split() for line in watched(terminal=True).splitlines()]
    *_, count = [line for line in lines if line[:1] == ["dead-lettered"]]
    *_, calls = [line for line in lines if line[:2] == ["LLM", "calls"]]
    assert count == ["dead-lettered", "1"]
    assert "1/1" in calls


def test_a_job_that_never_began_says_nothing():
    said = io.StringIO()
    with JobProgress(Console(file=said), str):
        pass
    assert said.getvalue() == ""


def test_patience_ends_when_nothing_changed_for_so_long():
    now = 0.0
    patience = Patience(10, lambda: now)
    answers = []
    for now, state in ((0.0, 1), (9.0, 1), (9.5, 2), (19.0, 2), (19.5, 2)):  # noqa: B007  # the clock's hand
        answers.append(patience.is_over(state))
    assert answers == [False, False, False, False, True]


def test_patience_of_nothing_never_ends():
    now = 0.0
    patience = Patience(0, lambda: now)
    assert not patience.is_over(1)
    now = 1e9
    assert not patience.is_over(1)
