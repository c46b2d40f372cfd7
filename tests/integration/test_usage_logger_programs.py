"""FeedbackUsageLogger in programs of their own, which end as soon as they have called, or in processes of theirs."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.decoding import decode
from tests.integration.llm_calls_support import Rig, a_rig


@pytest.fixture
async def rig(kafka, postgres) -> AsyncIterator[Rig]:
    async with a_rig(kafka.bootstrap_servers, postgres.url) as rig:
        yield rig


BEGIN = """
import asyncio, sys
import litellm
from runtime.usage_logger import FeedbackUsageLogger

logger = FeedbackUsageLogger(topic=sys.argv[1], default_tenant="script")
litellm.callbacks = [logger]
asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}], "mock_response": "one"}
"""
BOTH_WAYS = """
litellm.completion(**asked)
asyncio.run(litellm.acompletion(**asked))
"""
ASYNCHRONOUS = """
async def work():
    await asyncio.gather(*(litellm.acompletion(**asked) for _ in range(int(sys.argv[2]))))
    print(await logger.finished())

asyncio.run(work())
"""
WORKERS = """
import multiprocessing, os

def work():
    litellm.completion(**asked)
    child = os.fork()  # ends as the worker does
    if child:
        assert os.waitpid(child, 0)[1] == 0
    else:
        asyncio.run(work_later())

async def work_later():
    from adapters.llm.usage_logger import _all_told

    await litellm.acompletion(**asked)
    await _all_told()  # and not sent yet

forked = multiprocessing.get_context("fork")
workers = [forked.Process(target=work) for _ in range(3)]
for worker in workers:
    with logger._lock, logger._sender._changed:
        worker.start()
litellm.completion(**asked)
for worker in workers:
    worker.join()
sys.exit(sum(worker.exitcode for worker in workers))
"""


@pytest.mark.parametrize(
    ("program", "count"),
    [(BOTH_WAYS, 2), (ASYNCHRONOUS, 1), (ASYNCHRONOUS, 50), (WORKERS, 7)],
    ids=["both", "one", "fifty", "workers"],
)
async def test_a_script_that_ends_at_once_has_sent_its_events(rig, program, count):
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "KAFKA_BOOTSTRAP_SERVERS": rig.bootstrap.replace("127.0.0.1", "localhost"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LOG_LEVEL": "not one of ours",
    }
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", BEGIN + program, rig.topic, str(count)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ("True\n" if program is ASYNCHRONOUS else "")
    assert {decode(message.value).tenant_id for message in await rig.messages(count)} == {"script"}
