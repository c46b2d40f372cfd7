"""What the composition root does for a whole process."""

import pytest
from aiokafka.consumer import fetcher

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.header_names import FetchedRecords, PartitionRecords
from domain.errors import UserError
from runtime.settings import Settings
from runtime.wiring import database_settings, delivery_settings, kafka_connection
from runtime.wiring.answering import narrowing
from runtime.wiring.past_codings import past_codings


@pytest.fixture
def as_installed(monkeypatch):
    """aiokafka as it is without us."""
    monkeypatch.setattr(fetcher, "MemoryRecords", FetchedRecords.__base__)
    monkeypatch.setattr(fetcher, "PartitionRecords", PartitionRecords.__base__)


def test_whoever_is_told_where_kafka_is_reads_header_names_of_any_bytes(as_installed):
    KafkaConnection("127.0.0.1:1")  # a value, and nothing more
    assert (fetcher.MemoryRecords, fetcher.PartitionRecords) == (FetchedRecords.__base__, PartitionRecords.__base__)

    assert kafka_connection(Settings(kafka_bootstrap_servers="127.0.0.1:1")).addresses() == ["127.0.0.1:1"]
    assert (fetcher.MemoryRecords, fetcher.PartitionRecords) == (FetchedRecords, PartitionRecords)


def test_without_an_address_there_is_a_remedy():
    with pytest.raises(UserError, match="KAFKA_BOOTSTRAP_SERVERS") as caught:
        kafka_connection(Settings(kafka_bootstrap_servers=None))
    assert "feedback up" in caught.value.remedy
    assert "set -a; source .feedback/env; set +a" in caught.value.remedy
    with pytest.raises(UserError, match="DATABASE_URL") as caught:
        database_settings(Settings(database_url=None, database_host=None))
    assert "set -a; source .feedback/env; set +a" in caught.value.remedy


@pytest.mark.parametrize(
    ("changes", "narrows"),
    [
        ({}, False),
        ({"llm_model": "openai/gpt-4o-mini"}, True),
        ({"llm_models": "assign_codes=openai/gpt-4o-mini"}, True),
        ({"llm_models": "summarize=openai/gpt-4o-mini"}, False),
        ({"llm_fallback_model": "openai/gpt-4o-mini"}, True),
    ],
)
async def test_frameworks_are_narrowed_for_models_that_cannot_read_them_whole(changes, narrows):
    async with narrowing(Settings(_env_file=None, **changes)) as likeness:
        assert (likeness is not None) is narrows


def test_batches_of_codings_are_off_unless_they_are_set():
    usual, chosen = Settings(_env_file=None), Settings(_env_file=None, coding_batch=10, coding_batch_wait_ms=20)

    assert delivery_settings(usual).coding_batch == 1
    assert (delivery_settings(chosen).coding_batch, delivery_settings(chosen).coding_batch_wait_seconds) == (10, 0.02)


async def test_our_own_codings_are_read_where_a_database_is_set():
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    for changes in ({}, {"database_url": nowhere, "past_codings_wait_seconds": 0}):
        async with past_codings(Settings(_env_file=None, **changes)) as codings:
            assert codings is None
    async with past_codings(Settings(_env_file=None, database_url=nowhere)) as codings:
        assert codings is not None
    with pytest.raises(UserError, match="not a PostgreSQL URL"):
        async with past_codings(Settings(_env_file=None, database_url="mysql://h/d")):
            pass
