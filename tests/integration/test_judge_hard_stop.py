"""`feedback judge` beside a spent budget with a hard stop: whose results it leaves out."""

import secrets
import signal
from uuid import uuid4

import httpx

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.publisher import KafkaPublisher
from domain.ports import OutboundMessage
from runtime.embedded import ports
from schemas.cloudevents import headers_for
from schemas.sources import Source
from schemas.topics import RECORDS, SUMMARIES
from tests.builders import NOON
from tests.integration.system_support import eventually, feedback
from tests.integration.test_hard_stops import BUDGETS, a_stage, spend
from tests.integration.test_judge import a_summary
from tests.llm_server import running_llm_server


async def unjudged(port: int) -> dict[str, float]:
    """How many results were not judged, by the reason."""
    name = "feedback_results_unjudged_total{because="
    try:
        async with httpx.AsyncClient() as client:
            lines = (await client.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
    except httpx.TransportError:
        return {}
    told = (line.removeprefix(name).split("} ") for line in lines if line.startswith(name))
    return {because.strip('"'): float(count) for because, count in told}


async def test_results_of_a_tenant_over_its_budget_are_not_judged_and_others_are(system_kafka, postgres, tmp_path):
    frugal, lavish = (f"{name}-{secrets.token_hex(4)}" for name in ("frugal", "lavish"))
    (tmp_path / "budgets.toml").write_text(BUDGETS.format(limit=1).replace('"frugal"', f'"{frugal}"'))
    port = ports.choose(set())
    async with (
        a_stage(system_kafka, postgres, tmp_path) as (engine, reading_pauses, settings),
        running_llm_server() as provider,
        KafkaPublisher(KafkaConnection(system_kafka), 30) as events,
    ):
        await spend(engine, frugal, "1.0")
        async with feedback("budgets", cwd=tmp_path, **settings) as watch:
            await watch.says("1 pauses began")
            assert await watch.ends(signal.SIGTERM) == 0
        nowhere = Source(topic=RECORDS.name, partition=0, offset=10**9)
        for tenant in (frugal, frugal, frugal, lavish):
            result = a_summary(nowhere, 0).model_copy(update={"tenant_id": tenant, "result_id": uuid4()})
            headers = headers_for(result, str(result.result_id), "0" * 32, NOON)
            await events.publish(OutboundMessage(SUMMARIES.name, b"k", result.to_bytes(), headers))
        judging = {
            "KAFKA_BOOTSTRAP_SERVERS": system_kafka,
            "JUDGE_GROUP": f"judges-{frugal}",
            "DATABASE_URL": reading_pauses.url,
            "METRICS_PORT": port,
            "LLM_MODEL": "openai/gpt-4o-mini",
            "LLM_API_BASE": provider.base_url,
            "LLM_API_KEY": "sk-local",
        }
        async with feedback("judge", cwd=tmp_path, **judging) as judge:

            async def all_were_seen() -> bool:
                found = await unjudged(port)
                # Other tests' results may be there, too.
                return found.get("paused") == 3 and found["without_records"] >= 1

            await eventually(all_were_seen)
            assert await judge.ends(signal.SIGTERM) == 0, judge.errors
