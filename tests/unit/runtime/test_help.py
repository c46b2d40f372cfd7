"""`--help` of every command is quick: it loads nothing of what the command would use."""

import subprocess
import sys

import pytest

from runtime.cli.main import COMMANDS

HEAVY = {"litellm", "faust", "sklearn", "numpy", "aiokafka", "aiohttp", "sqlalchemy", "fastapi", "uvicorn", "rich"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "runtime.cli.main", command, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.startswith(f"Usage: feedback {command} ")
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & HEAVY
