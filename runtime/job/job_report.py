"""How a job ended, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from runtime.job.wording import listed


@dataclass(frozen=True, slots=True)
class JobReport:
    """How a job ended: from `started_at` to `ended_at`, with the LLM `calls` that were made for its records.

    Attributes:
        calls_known: whether all calls behind the outcomes have been read, so that `calls` is all of them.
        rows: how many of the calls have a row in the database.
        rows_counted: whether the database answered in the end; else `rows` is what had been seen before.
        published: how many of its records Kafka has taken.
        miscoded: codings by tenant_id, framework_id and version that were made with another version than the job's own.
        why_it_gave_up: tells a person why it did not wait any longer; empty where it did not give up.
    """

    records: int
    outcomes: int
    dead_letters: int
    calls: frozenset[UUID] = field(repr=False)
    calls_known: bool
    rows: int
    rows_counted: bool
    started_at: datetime
    ended_at: datetime
    published: int = 0
    miscoded: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    why_it_gave_up: str = ""

    @classmethod
    def of_nothing(cls, records: int) -> "JobReport":
        """The report of a job that has not begun."""
        now = datetime.now(UTC)
        return cls(
            records,
            outcomes=0,
            dead_letters=0,
            calls=frozenset(),
            calls_known=False,
            rows=0,
            rows_counted=False,
            started_at=now,
            ended_at=now,
        )

    @property
    def llm_calls(self) -> int:
        """How many LLM calls were made for its records."""
        return len(self.calls)

    def last_line(self, name: str) -> str:
        """The line for scripts."""
        return (
            f"{name}: records={self.records} outcomes={self.outcomes} lost={self.records - self.outcomes} "
            f"dead_letters={self.dead_letters} llm_calls={self.llm_calls} rows={self.rows}"
        )

    def way_on(self, *, stays: bool) -> str:
        """What becomes of a job that was broken off, and how to go on. `stays`: its Kafka is there afterwards."""
        again = "To have all of them answered, run again with --overwrite, or another folder"
        if not stays or not self.published:
            return f"{again}."
        return (
            f"{self.published:,} of {self.records:,} records are on Kafka, where workers still answer them (`feedback "
            f"lag` shows how far they are). {again}: then these are asked, and paid for, once more, under other ids."
        )

    @property
    def complete(self) -> bool:
        """Whether every record has its outcome, of the framework that it was given, and every LLM call its row."""
        return self.all_came and not self.miscoded

    @property
    def all_came(self) -> bool:
        """Whether every record has its outcome and every LLM call its row."""
        return self.outcomes == self.records and self.calls_known and self.rows == self.llm_calls

    @property
    def remarks(self) -> list[str]:
        """What a person should know beside the last line, a line each."""
        uncounted = "The database did not answer in the end: `rows` counts those that had been seen before."
        remarks = (self.why_it_gave_up, self._miscoded, "" if self.rows_counted else uncounted)
        return [line for line in remarks if line]

    @property
    def _miscoded(self) -> str:
        if not self.miscoded:
            return ""
        told = listed(
            [
                f"{count:,} x {tenant}/{name} version {version}"
                for (tenant, name, version), count in self.miscoded.items()
            ]
        )
        return (
            f"{sum(self.miscoded.values()):,} records were coded with another version of their framework than the one "
            f"that this run published ({told}): somebody else publishes under the same tenant_id/framework_id, or the "
            "workers had not read this run's yet. Give the framework an id of its own, or run again."
        )
