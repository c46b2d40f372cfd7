"""`feedback usage --failures` beside a running `feedback api`."""

import asyncio
import json
from datetime import timedelta

from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.llm_calls import PostgresLLMCallSink
from api.usage_failures import FailuresOfWindow
from runtime.embedded import ports
from tests.integration.failures_support import DAY, a_run
from tests.integration.system_support import feedback, until_ready
from tests.usage_support import NOON, migrated_database


async def test_a_terminal_shows_what_was_tried_and_done_again(postgres, tmp_path, feedback_says):
    async with migrated_database(postgres.url) as (settings, engine):
        first = a_run(NOON, "RateLimitedError", "ok", tenant_id="alder")
        again = a_run(NOON + timedelta(minutes=5), "ok", tenant_id="alder")
        await PostgresLLMCallSink(engine).write([*first, *again, *a_run(NOON, "ok", tenant_id="birch")])
        store, port = PostgresKeyStore(engine), ports.choose(set())
        key = (await store.create("alder")).text
        url = f"http://127.0.0.1:{port}"
        given = {"FEEDBACK_API_URL": url, "FEEDBACK_API_KEY": key}
        window = ("--from", DAY["from"], "--to", DAY["to"])
        async with feedback("api", cwd=tmp_path, DATABASE_URL=settings.url, API_PORT=port):
            await until_ready(url)

            async def says(*arguments: str):
                return await asyncio.to_thread(feedback_says, "usage", "--failures", *arguments, **given)

            shown = await says(*window)
            passed_on = await says(*window, "--tenant", "alder", "--format", "json")
            refused = [await says("--view", "invocations"), await says("--format", "csv")]
            others = await says(*window, "--tenant", "birch")

    assert (shown.code, shown.err) == (0, ""), shown
    lines = [line.strip() for line in shown.out.splitlines()]
    assert "from 2026-11-20 00:00 UTC to 2026-11-21 00:00 UTC" in lines[0]
    totals = [line.split() for line in lines if line.startswith("total")]
    assert totals == [
        ["total", "3", "1", "$0.10", "2", "0", "$0.00"],
        ["total", "1", "$0.10", "1", "$0.10", "1", "$0.10"],
    ]
    assert any(line.startswith("assign_codes / gpt-x / RateLimitedError") for line in lines)
    answer = FailuresOfWindow.model_validate(json.loads(passed_on.out))
    assert (answer.tenants, answer.total.repeats.invocations, answer.total.llm_calls.total) == (("alder",), 1, 3)
    for one in refused:
        one.assert_one_sentence("--failures goes with --from, --to, --tenant and --format json")
    others.assert_one_sentence("superuser")
