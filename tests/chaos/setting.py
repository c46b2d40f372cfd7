"""Sets a stage: a cleared ground, a database, a provider and topics for one case; all is gone at its end."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from string import ascii_lowercase

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from adapters.postgres.engine import DatabaseSettings
from adapters.postgres.migrate import migrate
from schemas.topics import FRAMEWORKS
from tests import services
from tests.builders import a_framework
from tests.chaos.ground import Ground
from tests.chaos.inputs import Inputs
from tests.chaos.ledger import Ledger
from tests.chaos.sightings import following
from tests.chaos.stage import Stage
from tests.llm_server import running_llm_server


@asynccontextmanager
async def a_stage(ground: Ground, home: Path, random: Random) -> AsyncIterator[Stage]:
    """A cleared ground, a database of the case's own, a provider, and nobody at work yet; all is gone at the end."""
    # A generator of its own: how many answers are late by then must not change what the case draws.
    ground.kafka.proxy.rng = Random(random.random())
    await ground.clear()
    # Letters alone: digits could be a telephone number, which the provider is not to see.
    group = f"chaos-{''.join(secrets.choice(ascii_lowercase) for _ in range(8))}"
    bootstrap, framework = ground.kafka.bootstrap_servers, a_framework()
    async with (
        AsyncExitStack() as stack,
        services.new_database(ground.postgres.url) as database,
        running_llm_server(Ledger()) as ledger,
        following(bootstrap) as sightings,
        AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=2,
            request_timeout_ms=300_000,
            max_request_size=16 * 2**20,
            compression_type="gzip",
        ) as producer,
        AsyncExitStack() as processes,
    ):
        assert isinstance(ledger, Ledger)
        await migrate(DatabaseSettings(url=database))
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        stack.push_async_callback(admin.close)
        await producer.send_and_wait(FRAMEWORKS.name, framework.to_bytes(), key=framework.key.encode())
        inputs = Inputs(producer, sightings, group, f"canary-{secrets.token_hex(8)}")
        stage = Stage(
            group=group,
            sightings=sightings,
            inputs=inputs,
            admin=admin,
            home=home,
            ground=ground,
            database=database,
            ledger=ledger,
            random=random,
            stack=processes,
        )
        sampling = asyncio.create_task(stage.sample())
        try:
            yield stage
        finally:
            stage.over = True
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
