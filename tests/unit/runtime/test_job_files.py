"""The files around a job: a person's framework, and the results of an earlier job."""

import asyncio
import json
import os
import re
from errno import ENOSPC
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from domain.errors import UserError
from runtime.cli import run
from runtime.job.folder_lock import NAME
from runtime.job.framework_files import read_frameworks
from runtime.job.outputs import RESULT_TOPICS, ResultFiles, ResultsNotWrittenError
from runtime.job.records_file import FileRecord
from runtime.job.report import Findings
from runtime.job.task import Task, read_inputs
from runtime.job.usage import _rounded
from schemas.operations import RecordOperation
from schemas.results import RecordSummarized
from schemas.topics import CODE_ASSIGNMENTS, DEAD_LETTERS, SENSITIVITY, SUMMARIES

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
        ({"root_codes": [{"id": "d", "children": [CODE]}, CODE]}, r"`root_codes\[0\]\.name` is missing"),
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


def framework_at(path: Path, name: str = "Code", **given: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"root_codes": [{**CODE, "name": name}], **given}))
    return path


def test_frameworks_without_an_id_share_one_only_where_they_are_the_same(tmp_path: Path):
    [mine, same, other, named] = [
        read_frameworks([file], ["default"])
        for file in (
            framework_at(tmp_path / "a" / "framework.json"),
            framework_at(tmp_path / "b" / "framework.json"),
            framework_at(tmp_path / "c" / "framework.json", "Another"),
            framework_at(tmp_path / "d" / "framework.json", framework_id="mine"),
        )
    ]
    assert re.fullmatch(r"framework-[0-9a-f]{8}", mine.frameworks[0].framework_id)
    assert mine.frameworks == same.frameworks
    assert mine.frameworks[0].key != other.frameworks[0].key
    assert (mine.named, named.named, named.published_ids) == ([], named.frameworks, {})
    assert named.frameworks[0].key == "default/mine"


def test_a_record_may_name_its_framework_as_the_file_is_named(tmp_path: Path):
    framework = framework_at(tmp_path / "framework.json")
    lines = [{"id": "a", "content": "c"}, {"id": "b", "content": "c", "framework_id": "framework"}]
    (tmp_path / "records").write_text("\n".join(map(json.dumps, lines)))
    settings: Any = SimpleNamespace(kafka_bootstrap_servers=None)
    inputs = read_inputs(settings, Task(tmp_path / "records", (framework,), None, "default", 1))
    [published] = inputs.frameworks
    assert [record.payload["framework_id"] for record in inputs.records] == [published.framework_id] * 2
    assert (inputs.notices, inputs.named) == ([], [])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_results_of_an_earlier_job_go_only_where_that_is_asked_for_and_there_are_new_ones(tmp_path: Path):
    with ResultFiles(tmp_path) as files:
        files.write(SUMMARIES.name, b"{}")
        files.usage_file.write_text("{}")
    with pytest.raises(UserError, match="holds results of an earlier run") as caught, ResultFiles(tmp_path):
        pass
    assert "--overwrite" in caught.value.remedy
    with ResultFiles(tmp_path, overwrite=True) as files:
        assert not files.begun  # and was broken off before its first result
    assert (tmp_path / "summaries.jsonl").read_bytes() == b"{}\n"
    assert (tmp_path / "usage.json").exists()
    with ResultFiles(tmp_path, overwrite=True) as files:
        files.write(SUMMARIES.name, b"[]")
        files.begin()
    assert (tmp_path / "summaries.jsonl").read_bytes() == b"[]\n"
    assert not (tmp_path / "usage.json").exists()


def test_a_job_that_never_began_leaves_no_file_and_no_folder_of_its_own(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("")
    for folder in (tmp_path / "new" / "out", tmp_path):
        with ResultFiles(folder):
            assert "summaries.jsonl" in names(folder)
    assert names(tmp_path) == {"mine.txt"}
    (tmp_path / "summaries.jsonl").write_text("")  # an empty leftover is in nobody's way
    with ResultFiles(tmp_path) as files:
        files.begin()
    assert len(names(tmp_path)) == 1 + len(RESULT_TOPICS)


def test_a_folder_is_one_jobs_at_a_time(tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / NAME).write_text("99999999")  # of a run that was killed
    with ResultFiles(out) as first:
        said = re.escape(f"{out} is in use by another run (process {os.getpid()}).")
        with pytest.raises(UserError, match=said) as caught:
            ResultFiles(out, overwrite=True).__enter__()
        assert "--out" in caught.value.remedy
        first.write(SUMMARIES.name, b"{}")
    assert NAME not in names(out)
    assert (out / "summaries.jsonl").read_bytes() == b"{}\n"
    with ResultFiles(out, overwrite=True):
        pass


class FullDisk:
    """A file of which only so many bytes fit."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.held = b""

    def write(self, data: bytes) -> int:
        part = data[: self.room - len(self.held)]
        if not part:
            raise OSError(ENOSPC, "No space left on device")
        self.held += part
        return len(part)

    def tell(self) -> int:
        return len(self.held)

    def truncate(self, size: int) -> None:
        self.held = self.held[:size]

    def close(self) -> None:
        """Nothing is left to be written."""


def test_a_full_disk_is_one_sentence_and_leaves_whole_lines(tmp_path: Path):
    disk: Any = FullDisk(8)
    with ResultFiles(tmp_path) as files:
        files.begin()
        files._files[SUMMARIES.name].close()
        files._files[SUMMARIES.name] = disk
        files.write(SUMMARIES.name, b"{}")
        with pytest.raises(ResultsNotWrittenError, match="no space left on device") as caught:
            files.write(SUMMARIES.name, b'{"a": 1}')
    assert caught.value.message.startswith(f"The results cannot be written to {tmp_path}: no space")
    assert disk.held == b"{}\n"


async def test_a_run_on_a_full_disk_ends_with_its_last_line(tmp_path: Path, monkeypatch, capsys):
    async def work(*_: object) -> bool:
        raise ResultsNotWrittenError(tmp_path, OSError(ENOSPC, "No space left on device"))

    monkeypatch.setattr(run, "_work", work)
    (tmp_path / "records").write_text('{"id": "a", "content": "c"}')
    settings: Any = SimpleNamespace(kafka_bootstrap_servers=None)
    task = Task(tmp_path / "records", (), None, "t", 1)
    assert await run._run(settings, task, ResultFiles(tmp_path / "out"), asyncio.Event()) is False
    said = capsys.readouterr()
    assert said.err.startswith(f"feedback: The results cannot be written to {tmp_path}: no space left on device. ")
    assert said.out == "run: records=1 outcomes=0 lost=1 dead_letters=0 llm_calls=0 rows=0\n"


def test_a_folder_that_cannot_be_made_is_one_sentence():
    with pytest.raises(UserError, match="/proc/nope cannot be written: no folder can be made at that place"):
        ResultFiles(Path("/proc/nope")).__enter__()


def test_two_records_of_one_id_are_two_rows_of_the_table():
    records = [FileRecord(line, "same", "t", (RecordOperation.SUMMARIZE,), {"content": "c"}) for line in (1, 2)]
    findings = Findings(records, 10)
    for record, title in zip(records, ("First title", "Second title"), strict=True):
        example = json.loads(Path("schemas/examples/RecordSummarized.json").read_text())
        example |= {"record_id": "same", "tenant_id": "t", "title": title, "result_id": str(uuid4())}
        findings.keep(SUMMARIES.name, RecordSummarized.model_validate(example).to_bytes(), record.line)
    table = shown(findings)
    assert "First title" in table
    assert "Second title" in table
    assert "code path" not in table  # nobody asked for codes


def a_result(name: str, **given: object) -> bytes:
    example = json.loads(Path(f"schemas/examples/{name}.json").read_text())
    return json.dumps({**example, **given}).encode()


def shown(findings: Findings) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        findings.print(console)
    return captured.get()


def test_the_table_says_that_it_is_a_sample_who_answered_and_why_there_is_no_result():
    both = (RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE)
    records = [FileRecord(line, f"r{line}", "t", both, {"content": "c"}) for line in range(1, 7)]
    findings = Findings(records, 3)  # lines 1, 3 and 5
    findings.keep(CODE_ASSIGNMENTS.name, a_result("CodesAssigned", model="offline/semantic"), 1)
    findings.keep(DEAD_LETTERS.name, a_result("DeadLetter", operation="summarize", reason="invalid_output"), 1)
    findings.keep(DEAD_LETTERS.name, a_result("DeadLetter", operation=None, reason="too_large"), 3)
    findings.keep(DEAD_LETTERS.name, a_result("DeadLetter", operation=None, reason="not_storable"), None)
    lines = shown(findings).splitlines()
    assert lines[0] == "offline/semantic is no LLM; a confidence below about 0.3 is a guess."
    assert lines[1].strip() == "Results (3 of 6 shown)"
    rows = {line.split()[0]: line for line in lines if line.startswith(" r")}
    assert rows["r1"].rstrip().endswith("dead letter: invalid_output")
    assert rows["r3"].count("dead letter: too_large") == 2
    assert "dead letter" not in rows["r5"]
    assert "dead letters: 1 x not_storable" in lines


def test_the_table_names_what_was_found_sensitive():
    records = [
        FileRecord(line, f"r{line}", "t", (RecordOperation.DETECT_SENSITIVE,), {"content": "c"}) for line in (1, 2)
    ]
    findings = Findings(records, 3)
    found = [{"type": name, "confidence": 0.5, "reason": "r"} for name in ("theft", "fraud", "bribery")]
    findings.keep(SENSITIVITY.name, a_result("SensitivityDetected", findings=found), 1)
    findings.keep(SENSITIVITY.name, a_result("SensitivityDetected", sensitive=False, findings=[]), 2)
    rows = {line.split()[0]: line.split()[1:] for line in shown(findings).splitlines() if line.startswith(" r")}
    assert rows["r1"] == ["theft,", "fraud,", "+1"]
    assert rows["r2"] == ["no"]


@pytest.mark.parametrize(
    ("model", "line"),
    [("openai/[gpt]", "Model: openai/[gpt]"), ("offline/semantic", "offline/semantic is no LLM.")],
)
def test_the_model_of_summaries_is_named(model: str, line: str):
    findings = Findings([FileRecord(1, "r", "t", (RecordOperation.SUMMARIZE,), {"content": "c"})], 3)
    findings.keep(SUMMARIES.name, a_result("RecordSummarized", model=model), 1)
    assert shown(findings).splitlines()[0] == line


def test_averages_have_three_decimals():
    usage = {"p50": 53.59999999999991, "total": 3, "cost_usd": "0.00001234", "none": None, "of": {"avg": 1 / 3}}
    assert _rounded(usage) == {"p50": 53.6, "total": 3, "cost_usd": "0.00001234", "none": None, "of": {"avg": 0.333}}
