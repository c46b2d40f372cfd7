"""`feedback demo`: everything on the sample records; and Ctrl-C, whenever it comes, leaves nothing behind."""

import json
import re
import signal

import pytest

from runtime.embedded import ports
from tests.integration.system_support import PARTITIONS, ROOT, eventually, feedback, until_gone, until_loaded

DEMO = ("demo", "--samples", ROOT / "samples")


async def test_every_sample_record_has_its_outcome_and_every_call_its_row(tmp_path):
    records = (ROOT / "samples" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    async with feedback(*DEMO, cwd=tmp_path, COLUMNS="140", API_PORT=ports.choose(set())) as demo:
        await demo.says("Starting worker")
        family = demo.family()
        assert await demo.ends(seconds=90) == 0, demo.out + demo.errors
        await until_gone(family)

    assert demo.last_line == {
        "records": len(records),
        "outcomes": len(records),
        "lost": 0,
        "dead_letters": 0,
        "llm_calls": 3 * len(records),
        "rows": 3 * len(records),
    }
    assert demo.errors == ""
    for word in ("code path", "summary title", "sensitive", "Usage by tenant", "Usage by operation", "harbour-aid"):
        assert word in demo.out
    for operation in ("assign_codes", "summarize", "detect_sensitive"):
        assert f" {operation} " in demo.out
    shown = [record for record in map(json.loads, records) if f" {record['id']} " in demo.out]
    assert len(shown) >= 20
    assert f"Results ({len(shown)} of {len(records)} shown)" in demo.out
    assert re.search(
        "^For all results, as files:  feedback run --records .*records.jsonl --framework .*--out results$",
        demo.out,
        re.M,
    )
    assert [path.name for path in (tmp_path / ".feedback").iterdir()] == ["last-job-logs"]


async def test_ctrl_c_before_anything_was_started(tmp_path):
    async with feedback(*DEMO, cwd=tmp_path) as demo:
        await until_loaded(demo, "pydantic_core")
        assert await demo.ends(signal.SIGINT, group=True) in (1, 130)
    assert "Traceback" not in demo.out + demo.errors


@pytest.mark.parametrize("moment", ["Starting embedded", "Starting worker", "published"])
async def test_ctrl_c_leaves_nothing_behind(tmp_path, moment, system_kafka, fresh_database):
    settings = {"KAFKA_TOPIC_PARTITIONS": PARTITIONS, "API_PORT": ports.choose(set())}
    servers = {"KAFKA_BOOTSTRAP_SERVERS": system_kafka, "DATABASE_URL": fresh_database}
    given = servers if moment == "published" else {}
    async with feedback(*DEMO, cwd=tmp_path, **settings, **given) as demo:
        await demo.says(moment)
        await eventually(lambda: len(demo.family()) > 2)  # itself, and at least one process with its guard
        family = demo.family()
        assert await demo.ends(signal.SIGINT, group=True) == 1
        await until_gone(family)
    assert "Traceback" not in demo.out + demo.errors
    assert demo.errors == ""
    assert {path.name for path in (tmp_path / ".feedback").iterdir()} <= {"last-job-logs"}
