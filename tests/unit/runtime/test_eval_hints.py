"""What `feedback eval` says names `feedback eval`, and no other command that a person would have to have typed."""

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--help",), "JSON Lines: id, content, labels, optional"),
        (("--model", "offline/none"), "(or --model of `feedback run` and `feedback eval`)"),
        (("--limit", "none"), "See `feedback eval --help`."),
    ],
)
def test_hints_are_those_of_the_command_that_was_typed(options, said, tmp_path):
    (tmp_path / "r.jsonl").write_text(json.dumps({"id": "1", "content": "Dry.", "metadata": {"codes": "a"}}))
    (tmp_path / "f.json").write_text(json.dumps({"root_codes": [{"id": "a", "name": "Water"}]}))
    files = ("--records", "r.jsonl", "--framework", "f.json")
    command = [sys.executable, "-m", "runtime.cli.main", "eval", *files, *options]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    told = " ".join((ended.stdout + ended.stderr).split())
    assert said in told
    assert told.count("feedback run") == said.count("feedback run")
