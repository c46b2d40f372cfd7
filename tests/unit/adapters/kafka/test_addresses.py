"""Kafka's addresses: read as the clients read them, and held to this machine where nothing is encrypted."""

import pytest
from aiokafka.conn import collect_hosts
from yarl import URL

from adapters.kafka.addresses import beyond_loopback, read, written
from adapters.kafka.connection import KafkaConnection
from adapters.kafka.security import KafkaSecurity, secured
from domain.errors import UserError

SASL = secured("SASL_PLAINTEXT", "PLAIN", "ours", "canary")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:9092", "kafka_1.example.:1", "[::1]:9092", "[2001:db8::1]:9", "[fe80::1%lo]:9", "LOCALHOST:0"],
)
def test_what_is_read_is_what_the_clients_connect_to(address):
    host, port = read(address)
    assert [found[:2] for found in collect_hosts([address])] == [(host, port)]
    url = URL(f"aiokafka://{address}")  # as faust has it
    assert (url.host, url.port) == (host.lower(), port)
    assert written(host, port) == address


@pytest.mark.parametrize(
    "address",
    [
        *("::1:9092", "[[::1]]:9092", "]127.0.0.1[:9092", "[127.0.0.1]:9092", "[localhost]:9092", "[::1]x9092"),
        *("127.0.0.1:1:2", "127.0.0.1:99999", "127.0.0.1:\u00b2", "127.0.0.1", ":9092", "localhost..:9092", "a..b:1"),
        *(f"{'a' * 64}.example:1", "user:canary@127.0.0.1:9092", "127.0.0.1/x:9092", "127.0.0.1\n:9092"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_and_outside(address):
    assert beyond_loopback([address]) == [address]
    for anywhere in (True, False):
        with pytest.raises(UserError, match="Address 2 in KAFKA_BOOTSTRAP_SERVERS cannot be read") as refused:
            KafkaConnection(f"127.0.0.1:1, {address}", plaintext_anywhere=anywhere)
        assert "canary" not in str(refused.value)
        assert "host:port" in refused.value.remedy


def test_what_is_not_encrypted_stays_on_this_machine_unless_that_is_allowed():
    here = ["127.0.0.1:9092", "127.8.9.10:1", "localhost:9092", "LOCALHOST:1", "[::1]:9092"]
    there = [
        "kafka:9092",
        "10.0.0.7:9092",
        "localhost.example:1",
        "[2001:db8::1]:9092",
        "0.0.0.0:1",
        "127.0.0.1.example:1",
    ]
    assert beyond_loopback([*here, *there]) == there
    for security in (KafkaSecurity(), SASL):
        KafkaConnection(",".join(here), security, plaintext_anywhere=False)
        KafkaConnection(",".join(there), security, plaintext_anywhere=True)
        with pytest.raises(UserError, match=r"names kafka:9092, outside of this machine") as refused:
            KafkaConnection("127.0.0.1:1, kafka:9092", security, plaintext_anywhere=False)
        assert "SASL_SSL" in refused.value.remedy
        assert "KAFKA_ALLOW_PLAINTEXT=true" in refused.value.remedy


def test_a_localhost_that_is_somewhere_else_is_none(monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.7", 0))])
    assert beyond_loopback(["localhost:9092"]) == ["localhost:9092"]
