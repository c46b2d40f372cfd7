"""Metrics of a real worker and a real consumer, as Prometheus gets them: over HTTP, while the process works."""

import asyncio
import signal
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime.embedded import ports
from schemas.topics import CODE_ASSIGNMENTS, CORRECTIONS, DEAD_LETTERS, FRAMEWORKS, LLM_CALLS, RECORDS, REQUESTS
from tests.builders import a_framework, a_record
from tests.integration.system_support import eventually, feedback, publishing
from tests.usage_support import migrated_database

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(port: int) -> str:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    return answer.text


def samples(page: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def until(port: int, wanted: dict[str, float]) -> Samples:
    """The page, once it has these values (by name and labels, as PromQL writes them)."""
    expected = {key: value for text, value in wanted.items() for key in samples(f"{text} {value}\n")}
    page: Samples = {}

    async def there() -> bool:
        page.clear()
        page.update(samples(await scraped(port)))
        await asyncio.sleep(0.1)  # a page costs more than a look at a variable
        return all(page.get(key) == value for key, value in expected.items())

    try:
        await eventually(there, 60)
    except TimeoutError:
        raise AssertionError({key: page.get(key) for key in expected}) from None
    return page


@pytest.fixture
async def work(system_kafka, postgres, tmp_path) -> AsyncIterator[dict[str, object]]:
    """The environment of processes on topics with two good records and a bad one, which no process has read yet."""
    framework = a_framework()
    async with migrated_database(postgres.url) as (database, _), publishing(system_kafka) as producer:
        await producer.send_and_wait(FRAMEWORKS.name, framework.to_bytes(), key=framework.key.encode())
        for number in range(2):
            await producer.send_and_wait(RECORDS.name, a_record(record_id=f"canary-{number}").to_bytes(), partition=0)
        await producer.send_and_wait(RECORDS.name, b"{canary", partition=0)
        name = database.url.rpartition("/")[2]
        yield {
            "KAFKA_BOOTSTRAP_SERVERS": system_kafka,
            "DATABASE_URL": database.url,
            "WORKER_GROUP": f"{name}-workers",
            "CONSUMER_GROUP": f"{name}-calls",
        }


@pytest.mark.long
async def test_a_worker_and_a_consumer_tell_what_they_do_and_a_second_one_on_the_port_says_so(work, tmp_path):
    worker_port = ports.choose(set())
    consumer_port = ports.choose({worker_port})
    async with (
        feedback("worker", cwd=tmp_path, METRICS_PORT=worker_port, **work) as worker,
        feedback("consumer", cwd=tmp_path, METRICS_PORT=consumer_port, **work) as consumer,
    ):
        await worker.says("metrics at http://127.0.0.1")
        told = await until(
            worker_port,
            {
                "feedback_inputs_finished_total": 3,
                "feedback_inputs_in_flight": 0,
                "feedback_oldest_unfinished_seconds": 0,
                'feedback_dead_letters_total{reason="not_json"}': 1,
                'feedback_dead_letters_total{reason="internal_error"}': 0,
                'feedback_llm_calls_total{operation="assign_codes",status="ok"}': 2,
                'feedback_llm_calls_total{operation="summarize",status="ok"}': 2,
                'feedback_llm_calls_unpriced_total{operation="summarize",status="ok"}': 0,
                'feedback_llm_call_duration_seconds_count{operation="assign_codes"}': 2,
                'feedback_circuit_breaker_state{state="closed"}': 1,
                'feedback_circuit_breaker_state{state="open"}': 0,
                "feedback_rebalances_total": 1,
                f'feedback_consumer_lag{{topic="{RECORDS.name}",partition="0"}}': 0,
                f'feedback_consumer_lag{{topic="{REQUESTS.name}",partition="0"}}': 0,
            },
        )
        held = told["feedback_partitions_assigned", frozenset()]
        assert held == sum(name == "feedback_consumer_lag" for name, _ in told)
        assert told["process_resident_memory_bytes", frozenset()] > 1e6
        await until(
            consumer_port,
            {
                "feedback_llm_call_events_stored_total": 4,
                "feedback_llm_call_events_repeated_total": 0,
                "feedback_store_waiting": 0,
                'feedback_dead_letters_total{reason="not_storable"}': 0,
                f'feedback_consumer_lag{{topic="{LLM_CALLS.name}",partition="0"}}': 0,
                "feedback_coding_events_stored_total": 3,  # two codings, and the dead letter
                "feedback_messages_passed_over_total": 0,
                f'feedback_consumer_lag{{topic="{DEAD_LETTERS.name}",partition="0"}}': 0,
                f'feedback_consumer_lag{{topic="{CODE_ASSIGNMENTS.name}",partition="0"}}': 0,
                f'feedback_consumer_lag{{topic="{CORRECTIONS.name}",partition="0"}}': 0,
            },
        )
        for text in (await scraped(worker_port), await scraped(consumer_port)):
            assert "canary" not in text
            assert a_record().tenant_id not in text

        async with feedback("worker", cwd=tmp_path, METRICS_PORT=consumer_port, **work) as second:
            assert await second.ends() == 2
        [line] = second.errors.splitlines()
        assert line.startswith(f"feedback: The metrics cannot be served on 127.0.0.1:{consumer_port}")
        assert "METRICS_PORT" in line
        assert await worker.ends(signal.SIGTERM) == 0, worker.errors
        assert await consumer.ends(signal.SIGTERM) == 0, consumer.errors
