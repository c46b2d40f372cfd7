"""What a process tells of an exception that nobody expected: its kind and its frames, none of its words."""

import asyncio
import io
import logging
import subprocess
import sys
import textwrap

import pytest

from domain.errors import BrokerUnavailableError
from runtime import exit_codes
from runtime.cli import main as cli
from runtime.crashes import DiscreetFormatter, frames, in_the_loop

SECRET = "the well is dry, says Amina"


def failing() -> None:
    try:
        {}[SECRET]
    except KeyError:
        raise ValueError(SECRET)  # noqa: B904 - its context must be told of, too


def caught() -> ValueError:
    try:
        failing()
    except ValueError as error:
        return error
    raise AssertionError


def test_frames_name_places_and_kinds_of_all_that_is_behind_it():
    group = ExceptionGroup(SECRET, [caught(), BrokerUnavailableError("Kafka is away.")])
    told = frames(group)
    assert "part ValueError" in told
    assert "after KeyError" in told
    assert "part BrokerUnavailableError: Kafka is away." in told
    assert any(line.startswith("unit/runtime/test_crashes.py:") and line.endswith(" failing") for line in told)
    assert SECRET not in "\n".join(told)


def test_the_frames_of_an_endless_recursion_are_few():
    def again() -> None:
        again()

    with pytest.raises(RecursionError) as deep:
        again()
    assert len(frames(deep.value)) < 40


@pytest.fixture
def log():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(DiscreetFormatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("test.crashes")
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def test_logs_tell_no_words_of_an_exception(log):
    logger, stream = log
    error = caught()
    logger.error("failed: %r", error, exc_info=error)
    logger.warning("away: %s", ConnectionRefusedError(111, "Connect call failed"))
    told = stream.getvalue()
    assert SECRET not in told
    assert "ERROR failed: 'ValueError'" in told
    assert "test_crashes.py" in told
    assert "WARNING away: [Errno 111] Connect call failed" in told


async def test_a_task_that_nobody_waits_for_tells_no_words_either(caplog):
    loop = asyncio.get_running_loop()
    task = loop.create_task(asyncio.sleep(0))
    await task
    in_the_loop(loop, {"message": "Task exception was never retrieved", "exception": caught(), "future": task})
    (record,) = caplog.records
    assert record.getMessage() == "Task exception was never retrieved"
    assert SECRET not in DiscreetFormatter().format(record)


def test_a_bug_ends_a_command_with_one_line_its_frames_and_exit_code_1(monkeypatch, capfd):
    def crash(*_, **__) -> None:
        failing()

    monkeypatch.setattr(cli.feedback, "main", crash)
    with pytest.raises(SystemExit) as ended:
        cli.main(["worker"])
    assert ended.value.code == exit_codes.BUG
    first, *rest = capfd.readouterr().err.splitlines()
    assert first == "feedback: a fault in this program: ValueError"
    assert all(line.startswith("  ") for line in rest)
    assert any(line.endswith(" failing") for line in rest)
    assert SECRET not in "\n".join(rest)
    assert "raise" not in "\n".join(rest)


def test_what_python_itself_prints_is_no_traceback(tmp_path):
    """Of an exception on the way out, in a thread, in a finalizer, in a task that is thrown away."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
            import asyncio, threading
            from runtime.crashes import be_discreet
            from runtime.process import configure_logging, run_until_signal
            SECRET = {SECRET!r}
            be_discreet()
            configure_logging("INFO")
            class Dying:
                def __del__(self): raise ValueError(SECRET)
            def fail(): raise ValueError(SECRET)
            async def fail_later(): fail()
            async def main(stop):
                task = asyncio.create_task(fail_later())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            thread = threading.Thread(target=fail); thread.start(); thread.join()
            Dying()
            run_until_signal(main)
            fail()
        """)
    )
    ended = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert SECRET not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
    for words in ("an exception in a thread", "an exception in a finalizer", "Task exception was never retrieved"):
        assert words in ended.stderr
    assert "feedback: a fault in this program: ValueError" in ended.stderr
