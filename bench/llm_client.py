"""CPU for each LLM call and calls a second: our fast path beside bare `litellm.acompletion`, one local server for both.

    python -m bench.llm_client --calls 2000 --in-flight 256 --latency 0.2

The server runs in a process of its own and is the same for both. Each way is measured several times, in turns, in
a process of its own, after a warm-up; the table shows medians and, in brackets, the lowest and the highest.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from adapters.llm.factory import open_model
from adapters.llm.litellm_setup import litellm
from adapters.llm.recording import RecordingModel
from adapters.llm.settings import LLMSettings
from domain.llm.calls import Attempt, Invocation, Prompt
from domain.ports import OutboundMessage

FAST, RECORDED, OURS, BARE = "fast path", "fast path, recorded", "our acompletion", "bare acompletion"
WAYS = (FAST, RECORDED, OURS, BARE)
_CODES = "\n".join(
    f"{a}.{b} Code {a}.{b}: what belongs under it, in a few words (e.g. an example)"
    for a in range(1, 11)
    for b in range(1, 13)
)
SYSTEM = f"Task: assign_codes\nAnswer with a JSON object.\n<framework>\n{_CODES}\n</framework>"


def prompt(number: int) -> Prompt:
    """A prompt of a usual size: a framework of 120 codes (about 2,400 tokens), a record of 400 characters."""
    text = f"Record {number}: " + "the well is far and the queue is long. " * 10
    return Prompt("assign_codes", "v1", SYSTEM, f"<feedback_record>\n{text}\n</feedback_record>", 300)


class _Nowhere:
    async def publish(self, message: OutboundMessage) -> None:
        """Forget the message."""


@contextlib.asynccontextmanager
async def _caller(way: str, base_url: str, in_flight: int) -> AsyncIterator[Callable[[int], Awaitable[Any]]]:
    """What makes one call, whichever way."""
    if way == BARE:
        module = litellm()

        async def bare(number: int) -> Any:
            asked = prompt(number)
            return await module.acompletion(
                model="openai/gpt-4o-mini",
                messages=asked.messages(),
                max_tokens=asked.max_output_tokens,
                response_format={"type": "json_object"},
                api_key="k",
                api_base=base_url,
                max_retries=0,
                timeout=60.0,
            )

        yield bare
        await module.close_litellm_async_clients()
        return
    settings = LLMSettings("openai/gpt-4o-mini", "k", base_url, max_connections=max(in_flight, 64))
    async with open_model(settings, fast=way != OURS) as model:
        recorder = RecordingModel(model, _Nowhere(), 60.0)

        async def ours(number: int) -> Any:
            about = Invocation(uuid4(), "t", "assign_codes", datetime.now(UTC), 60.0)
            attempt = Attempt(about, 1, "v1")
            if way == RECORDED:
                return await recorder.ask(prompt(number), attempt, str)
            return await model.complete(prompt(number), attempt)

        yield ours
        await recorder.aclose()


async def measure(way: str, base_url: str, calls: int, in_flight: int) -> dict[str, float]:
    """Make the calls. Returns CPU milliseconds a call, calls a second, and the memory at its highest, in MB."""
    async with _caller(way, base_url, in_flight) as call:
        await _all(call, min(calls, 2 * in_flight), in_flight)
        cpu, started = time.process_time(), time.perf_counter()
        await _all(call, calls, in_flight)
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_ms": cpu / calls * 1000, "per_second": calls / seconds, "peak_mb": peak}


async def _all(call: Callable[[int], Awaitable[Any]], calls: int, in_flight: int) -> None:
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            await call(number)

    await asyncio.gather(*(work() for _ in range(in_flight)))


@contextlib.contextmanager
def _server(latency: float) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.llm_server", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _run(way: str, base_url: str, calls: int, in_flight: int) -> dict[str, float]:
    """One measurement in a process of its own."""
    options = ["--calls", str(calls), "--in-flight", str(in_flight), "--way", way, "--base-url", base_url]
    command = [sys.executable, "-W", "ignore", "-m", "bench.llm_client", *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _shown(runs: list[dict[str, float]], name: str, digits: int) -> str:
    values = [run[name] for run in runs]
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def report(arguments: argparse.Namespace) -> None:
    """Measure every way in turns, and print the table."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with _server(arguments.latency) as base_url:
        for _ in range(arguments.rounds):
            for way in WAYS:
                runs[way].append(_run(way, base_url, arguments.calls, arguments.in_flight))
    title = f"{arguments.calls} calls, {arguments.in_flight} in flight, {arguments.latency:g} s latency"
    table = Table("way", "CPU ms a call", "calls a second", "peak MB", "CPU beside bare", title=title)
    bare = statistics.median(run["cpu_ms"] for run in runs[BARE])
    for way, measured in runs.items():
        share = statistics.median(run["cpu_ms"] for run in measured) / bare
        figures = (_shown(measured, "cpu_ms", 2), _shown(measured, "per_second", 0), _shown(measured, "peak_mb", 0))
        table.add_row(way, *figures, f"{share:.2f}")
    Console(width=120).print(table)


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="CPU and rate of LLM calls, the fast path beside acompletion.")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that the server takes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        figures = asyncio.run(measure(arguments.way, arguments.base_url, arguments.calls, arguments.in_flight))
        print(json.dumps(figures))
        return
    report(arguments)


if __name__ == "__main__":
    main()
