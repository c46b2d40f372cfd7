"""The files around a job: a person's framework, and the results of an earlier job."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from rich.console import Console

from domain.errors import UserError
from runtime.job.framework_files import read_frameworks
from runtime.job.outputs import ResultFiles
from runtime.job.records_file import FileRecord
from runtime.job.report import Findings
from schemas.operations import RecordOperation
from schemas.results import RecordSummarized
from schemas.topics import SUMMARIES

CODE = {"id": "c", "name": "Code"}


@pytest.mark.parametrize(
    ("framework", "said"),
    [
        ({}, "`root_codes` is missing"),
        ({"root_codes": []}, "`root_codes` is empty"),
        ({"root_codes": CODE}, "`root_codes` is an object, and not a list"),
        ({"root_codes": ["c"]}, r"`root_codes\[0\]` is text, and not an object"),
        ({"root_codes": [{"id": 1, "name": "n"}]}, r"`root_codes\[0\]\.id` is a number, and not text"),
        ({"root_codes": [{**CODE, "children": [{"id": "d"}]}]}, r"`root_codes\[0\]\.children\[0\]\.name` is missing"),
        ({"root_codes": [{**CODE, "name": ""}]}, r"\.name` is empty"),
        ({"root_codes": [{**CODE, "name": "n" * 1001}]}, r"\.name` has more than 1000 characters"),
        ({"root_codes": [{**CODE, "sensitive": "rather"}]}, r"\.sensitive` is text, and not true or false"),
        ({"root_codes": [{**CODE, "id": "a\x00"}]}, r"\.id` must not hold a NUL character"),
        ({"root_codes": [CODE, CODE]}, "two codes of the framework share one id"),
        ({"root_codes": [{}, {}, {}]}, "; and 3 more"),
        ("[1]", "is not a JSON object"),
        ('{"root_codes":\n oops}', r"is not JSON \(line 2, column 2\)"),
    ],
)
def test_what_is_no_framework_is_one_sentence_of_ours(tmp_path: Path, framework: object, said: str):
    file = tmp_path / "framework.json"
    file.write_text(framework if isinstance(framework, str) else json.dumps(framework))
    with pytest.raises(UserError, match=said) as caught:
        read_frameworks([file], ["acme"])
    assert caught.value.remedy
    for word in ("Input should", "Value error", "valid", "String"):
        assert word not in caught.value.message


def test_results_of_an_earlier_job_stay_until_the_next_one_begins(tmp_path: Path):
    with ResultFiles(tmp_path) as files:
        files.begin()
        files.write(SUMMARIES.name, b"{}")
        files.usage_file.write_text("{}")
    with ResultFiles(tmp_path) as files:
        assert not files.begun  # and could not start
    assert (tmp_path / "summaries.jsonl").read_bytes() == b"{}\n"
    assert (tmp_path / "usage.json").exists()
    with ResultFiles(tmp_path) as files:
        files.begin()
        files.write(SUMMARIES.name, b"[]")
    assert (tmp_path / "summaries.jsonl").read_bytes() == b"[]\n"
    assert not (tmp_path / "usage.json").exists()


def test_two_records_of_one_id_are_two_rows_of_the_table():
    records = [FileRecord(line, "same", "t", (RecordOperation.SUMMARIZE,), {"content": "c"}) for line in (1, 2)]
    findings = Findings(records, 10)
    for record, title in zip(records, ("First title", "Second title"), strict=True):
        example = json.loads(Path("schemas/examples/RecordSummarized.json").read_text())
        example |= {"record_id": "same", "tenant_id": "t", "title": title, "result_id": str(uuid4())}
        findings.keep(SUMMARIES.name, RecordSummarized.model_validate(example).to_bytes(), record.line)
    console = Console(width=100)
    with console.capture() as shown:
        console.print(findings.table(100))
    assert "First title" in shown.get()
    assert "Second title" in shown.get()
