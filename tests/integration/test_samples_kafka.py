"""`samples/kafka.py`, as the README shows it: what is sent is there under its key; what is wrong is one sentence."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.topics import REQUESTS
from tests.integration.system_support import reading

SAMPLES = Path(__file__).parents[2] / "samples"
LINES = (SAMPLES / "requests.jsonl").read_bytes()


async def run(servers: str, *arguments: str, given: bytes = b"") -> tuple[int, bytes, str]:
    """Exit code, output, and what it says."""
    command = [sys.executable, str(SAMPLES / "kafka.py"), *arguments]
    environment = {"PATH": "/usr/bin:/bin", **({"KAFKA_BOOTSTRAP_SERVERS": servers} if servers else {})}
    ended = await asyncio.to_thread(
        subprocess.run, command, input=given, env=environment, capture_output=True, timeout=60, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr.decode()


async def test_what_is_sent_is_read_again_and_has_its_key(system_kafka):
    sent = await run(system_kafka, "send", REQUESTS.name, "--key", "request_id", given=LINES)
    assert sent == (0, b"", f"sent: {len(LINES.splitlines())}\n")
    code, told, said = await run(system_kafka, "read", REQUESTS.name, "--stop-at-end")
    assert (code, sorted(told.splitlines()), said) == (0, sorted(LINES.splitlines()), "")
    async with reading(system_kafka, REQUESTS.name) as found:
        assert {message.key for message in await found.all(REQUESTS.name)} == {b"rrr-analysis-1", b"hba-analysis-1"}


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        (("send", REQUESTS.name, "--key", "request_id"), LINES + b"\n{", "nothing was sent"),
        (("send", REQUESTS.name, "--key", "nowhere"), LINES, "nothing was sent"),
        (("read", "no-such-topic", "--stop-at-end"), b"", "There is no topic no-such-topic"),
    ],
)
async def test_a_mistake_is_one_sentence(system_kafka, arguments, given, words):
    code, told, said = await run(system_kafka, *arguments, given=given)
    assert (code, told, len(said.splitlines())) == (1, b"", 1), said
    assert words in said
    async with reading(system_kafka, REQUESTS.name) as found:
        assert not await found.all(REQUESTS.name)


@pytest.mark.parametrize(("servers", "words"), [("", "KAFKA_BOOTSTRAP_SERVERS is not set"), ("127.0.0.1:1", "Is it")])
async def test_without_a_kafka_it_says_so(servers, words):
    code, _, said = await run(servers, "read", REQUESTS.name)
    assert (code, len(said.splitlines())) == (1, 1), said
    assert words in said
