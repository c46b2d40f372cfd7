"""Fixtures of all tests: the real services. Asked for, they start; `tests/services.py` says which."""

import os
from collections.abc import AsyncIterator

import pytest

from tests import services

# As our own code has it before it imports LiteLLM: a test that imports it itself must not ask the network for prices.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")


@pytest.fixture(scope="session")
def services_mode() -> str:
    """env, containers or embedded."""
    return services.chosen_mode(os.environ, services.docker_answers)


@pytest.fixture(scope="session")
async def kafka(services_mode, tmp_path_factory) -> AsyncIterator[services.Kafka]:
    """The broker that all tests share: `.bootstrap_servers`, `.kill()`, `.restart()`."""
    async with services.kafka_service(services_mode, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="module")
async def fresh_kafka(services_mode, tmp_path_factory) -> AsyncIterator[services.Kafka]:
    """A broker for one module alone, without topics; never the environment's, so that tests may kill it."""
    mode = services.CONTAINERS if services_mode == services.CONTAINERS else services.EMBEDDED
    async with services.kafka_service(mode, tmp_path_factory.mktemp("fresh-kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
async def postgres(services_mode, tmp_path_factory) -> AsyncIterator[services.Postgres]:
    """The database server that all tests share: `.url`, `.kill()`, `.restart()`."""
    async with services.postgres_service(services_mode, tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
async def fresh_database(postgres) -> AsyncIterator[str]:
    """The URL of a new, empty database, dropped after the test."""
    async with services.new_database(postgres.url) as url:
        yield url
