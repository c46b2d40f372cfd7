"""A guarded process: its output, its ends, and which services a test run gets."""

import asyncio
import signal
import sys

import psutil
import pytest

from runtime.embedded import process
from tests import services

PYTHON = [sys.executable, "-I", "-S", "-u", "-c"]


async def until_logged(log, text):
    async with asyncio.timeout(10):
        while not log.exists() or text not in log.read_text():  # noqa: ASYNC110 - a stranger's file is no event
            await asyncio.sleep(0.02)


async def test_output_goes_to_the_log_and_the_exit_code_comes_back(tmp_path):
    log = tmp_path / "log"
    code = await process.run([*PYTHON, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"], log=log)
    assert code == 3
    assert set(log.read_text().split()) == {"out", "err"}


async def test_a_program_that_is_not_there_fails(tmp_path):
    assert await process.run([str(tmp_path / "none")], log=tmp_path / "log") != 0
    assert "FileNotFoundError" in (tmp_path / "log").read_text()


async def test_stop_sends_the_stop_signal(tmp_path):
    log = tmp_path / "log"
    script = "import signal, sys; signal.signal(signal.SIGINT, lambda *_: sys.exit(5)); print('up'); signal.pause()"
    child = await process.launch([*PYTHON, script], log=log, stop_signal=signal.SIGINT)
    await until_logged(log, "up")
    await child.stop(10)
    assert await child.wait() == 5
    await child.stop(10)  # a second time does nothing
    assert not child.running


async def test_what_does_not_stop_in_time_is_killed(tmp_path):
    log = tmp_path / "log"
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); signal.pause()"
    child = await process.launch([*PYTHON, script], log=log)
    await until_logged(log, "up")
    await child.stop(0.2)
    assert await child.wait() == 128 + signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
async def test_kill_takes_the_children_along_even_those_in_sessions_of_their_own(tmp_path):
    log = tmp_path / "log"
    script = (
        "import subprocess, signal\n"
        "child = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "print('child', child.pid, 'up')\n"
        "signal.pause()\n"
    )
    parent = await process.launch([*PYTHON, script], log=log)
    await until_logged(log, "up")
    child = int(log.read_text().split()[1])
    await parent.kill()
    assert not psutil.pid_exists(child)
    assert not psutil.pid_exists(parent.pid)


async def test_cancelling_a_run_ends_it(tmp_path):
    log = tmp_path / "log"
    task = asyncio.create_task(process.run([*PYTHON, "import os, signal; print(os.getpid()); signal.pause()"], log=log))
    await until_logged(log, "\n")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(int(log.read_text()))


@pytest.mark.parametrize(
    ("environment", "docker", "mode"),
    [
        ({}, False, "embedded"),
        ({}, True, "containers"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "k", "DATABASE_URL": "d"}, True, "env"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "k"}, False, "embedded"),
        ({"TEST_SERVICES": "embedded", "KAFKA_BOOTSTRAP_SERVERS": "k", "DATABASE_URL": "d"}, True, "embedded"),
    ],
)
def test_which_services_a_test_run_gets(environment, docker, mode):
    assert services.chosen_mode(environment, lambda: docker) == mode


def test_an_unknown_choice_fails():
    with pytest.raises(AssertionError, match="must be one of env, containers, embedded"):
        services.chosen_mode({"TEST_SERVICES": "magic"}, lambda: False)
