"""What a person is told of the files before anything is started."""

from typing import Any

import pytest

from domain.errors import UserError
from runtime.job.notices import (
    notices,
    refuse_codings_without_framework,
    refuse_frameworks_that_never_come,
    what_it_replaces,
)
from runtime.job.records_file import FileRecord
from schemas.frameworks import CodingFramework
from schemas.operations import RecordOperation

CODE, SUMMARIZE = RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE


def a_record(line: int, record_id: str = "", tenant: str = "acme", framework: str | None = None) -> FileRecord:
    operations = (SUMMARIZE,) if framework is None else (CODE, SUMMARIZE)
    payload = {} if framework is None else {"framework_id": framework}
    return FileRecord(line, record_id or f"r{line}", tenant, operations, payload)


def a_framework(tenant: str = "acme", framework_id: str = "f") -> CodingFramework:
    root: list[Any] = [{"id": "c", "name": "Code"}]
    return CodingFramework.model_validate(
        {"tenant_id": tenant, "framework_id": framework_id, "version": "1", "root_codes": root}
    )


def told(*records: FileRecord, frameworks: tuple[CodingFramework, ...] = (), **how: bool) -> list[str]:
    return notices(records, frameworks, **{"may_code": True, **how})


def test_where_all_is_well_nothing_is_said():
    assert told(a_record(1), a_record(2)) == []
    assert told(a_record(1, framework="f"), frameworks=(a_framework(),)) == []


def test_an_id_on_several_lines_is_told_once_with_its_lines():
    again = [a_record(4, "a"), a_record(9, "a"), a_record(2, "\x1b[31mb"), a_record(3, "\x1b[31mb")]
    [notice] = told(a_record(1), *again)
    assert notice.startswith("2 record ids stand on more than one line: a (lines 4, 9), ?[31mb (lines 2, 3).")
    assert "result_id" in notice
    [notice] = told(*(a_record(line, f"r{line % 5}") for line in range(10)))
    assert notice.startswith("5 record ids")
    assert "..." in notice


def test_dates_that_cannot_be_read_are_told_once_with_their_count():
    undated = [FileRecord(line, f"r{line}", "acme", (SUMMARIZE,), {}, undated=True) for line in (7, 9)]
    [notice] = told(a_record(1), *undated)
    assert notice.startswith("`created` cannot be read in 2 of 3 records (the first stands on line 7)")
    assert "2026-01-31" in notice


def test_an_id_belongs_to_its_tenant():
    assert told(a_record(1, "a"), a_record(2, "a", "other")) == []


def test_a_framework_of_another_tenant_is_told_with_both_names_and_the_count():
    records = (a_record(1, tenant="default"), a_record(2, tenant="default"))
    [notice] = told(*records, frameworks=(a_framework("acme"),))
    assert notice.startswith("2 of 2 records are summarised but not coded")
    assert "(default: 2), only for acme" in notice
    assert told(*records, frameworks=(a_framework("acme"),), may_code=False) == []


def test_a_framework_that_no_record_uses_is_told():
    given = (a_framework("acme", "mine"), a_framework("nobody"))
    [notice] = told(a_record(1, framework="mine"), frameworks=given)
    assert "f of the tenant nobody" in notice
    assert "mine" not in notice


def test_a_framework_that_nobody_can_publish_is_refused():
    records = [a_record(1, framework="f"), a_record(2, framework="elsewhere"), a_record(3)]
    with pytest.raises(UserError, match=r"1 of 3 records name a framework .* line 2\): elsewhere") as caught:
        refuse_frameworks_that_never_come(records, [a_framework()])
    assert "--framework" in caught.value.remedy
    not_coded = FileRecord(4, "r", "acme", (SUMMARIZE,), {"framework_id": "elsewhere"})
    refuse_frameworks_that_never_come([records[0], records[2], not_coded], [a_framework()])


def test_a_coding_that_is_asked_for_needs_a_framework():
    bare = FileRecord(7, "r", "acme", (CODE,), {})
    with pytest.raises(UserError, match=r"1 of 2 records .* line 7; its tenant is acme\)") as caught:
        refuse_codings_without_framework([a_record(1, framework="f"), bare], [])
    assert "--framework" in caught.value.remedy
    with pytest.raises(UserError, match="given for other only"):
        refuse_codings_without_framework([bare], [a_framework("other")])
    refuse_codings_without_framework([a_record(1), a_record(2, framework="on-a-shared-kafka")], [])


def test_a_framework_with_an_id_of_its_own_replaces_what_is_on_a_given_kafka():
    assert what_it_replaces("host:9092", []) == ""
    line = what_it_replaces("host:9092", [a_framework()])
    assert "publishes acme/f (tenant_id/framework_id) on the Kafka at host:9092 and replaces" in line
