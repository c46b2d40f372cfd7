"""What the composition root does for a whole process."""

import pytest
from aiokafka.consumer import fetcher

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.header_names import FetchedRecords, PartitionRecords
from domain.errors import UserError
from runtime.settings import Settings
from runtime.wiring import database_settings, kafka_connection


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
