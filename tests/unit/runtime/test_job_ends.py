"""What a person is told where a job gave up; and what is asked again, and for how long, where the database is away."""

from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from domain.errors import FeedbackError, UsageUnavailableError, UserError
from runtime.job import usage
from runtime.job.job_report import JobReport
from runtime.job.patience import answered
from runtime.job.running import why_it_gave_up
from runtime.job.task import Task
from tests.fakes import FakeClock

CALLS = frozenset(uuid4() for _ in range(3))
DONE = replace(
    JobReport.of_nothing(2), published=2, outcomes=2, calls=CALLS, calls_known=True, rows=3, rows_counted=True
)
SYSTEM: Any = SimpleNamespace(
    supervisor=SimpleNamespace(complaint=lambda: "The latest warning, of consumer: it waits."),
    settings=SimpleNamespace(feedback_home=Path("home")),
    api_url="http://api",
    api_key="key",
)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (replace(DONE, published=1, outcomes=0), "Kafka took no further record (1 of 2 so far)."),
        (replace(DONE, outcomes=1), "no new outcome came, so 1 of 2 records have none."),
        (replace(DONE, calls_known=False), "Kafka did not let all LLM calls be read"),
        (replace(DONE, rows=1), "no new row came, so 2 of 3 LLM calls have none."),
        (replace(DONE, rows=1, rows_counted=False), "so 2 of 3 LLM calls have none that is known of."),
    ],
)
def test_why_it_gave_up_is_one_line_with_cause_and_remedy(report, said):
    assert DONE.complete
    assert not report.complete
    line = why_it_gave_up(SYSTEM, Task(Path("r"), (), None, "t", 1, give_up_after=6.0), report)
    assert line.startswith("Gave up: for 6 seconds ")
    for words in (said, "of consumer: it waits. Mend", "--give-up-after", "home/last-job-logs"):
        assert words in line


def test_codings_with_another_version_are_a_remark_and_no_good_end():
    report = replace(DONE, miscoded={("acme", "f", "theirs"): 1200, ("b", "g", "2"): 1})
    assert not report.complete
    [remark] = report.remarks
    assert remark.startswith("1,201 records were coded with another version of their framework than the one that this ")
    assert "(1,200 x acme/f version theirs, 1 x b/g version 2)" in remark


class Database:
    """Answers after so many failures."""

    def __init__(self, failures: float) -> None:
        self.failures = failures
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        if self.asked <= self.failures:
            raise UsageUnavailableError("It is away.")
        return "answer"


async def test_a_database_that_comes_back_is_asked_until_then():
    clock, database = FakeClock(), Database(failures=5)
    assert await answered(database.ask, 20, clock=clock, sleep=clock.sleep) == "answer"
    assert database.asked == 6


@pytest.mark.parametrize("within", [0, 20])
async def test_a_database_that_stays_away_is_not_asked_for_ever(within):
    clock, database = FakeClock(), Database(failures=float("inf"))
    with pytest.raises(UsageUnavailableError):
        await answered(database.ask, within, clock=clock, sleep=clock.sleep)
    assert within <= clock.seconds <= within + 1
    assert within or database.asked == 1


async def test_usage_that_the_database_cannot_tell_is_its_own_error(monkeypatch):
    """Also where it cannot be logged in to, which before the job would have been a person's mistake."""

    @asynccontextmanager
    async def away(_: Any):
        raise UserError("The database at x cannot be reached.", "Check it.")
        yield

    monkeypatch.setattr(usage.wiring, "database_engine", away)
    with pytest.raises(UsageUnavailableError, match="cannot be reached"):
        await usage.usage_of_job(SYSTEM.settings, replace(DONE, rows_counted=False))


@pytest.mark.parametrize("error", [aiohttp.ClientError(), TimeoutError(), FeedbackError("The API answered 503.")])
async def test_usage_that_the_api_cannot_tell_is_the_same_error(monkeypatch, error):
    async def get_json(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(usage, "get_json", get_json)
    with pytest.raises(UsageUnavailableError, match="The API"):
        await usage.usage_meanwhile(SYSTEM, replace(DONE, rows_counted=False))
