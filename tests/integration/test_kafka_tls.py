"""Kafka over TLS, with users: the whole way of a record, and what a person sets wrong, on a real broker."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from adapters.kafka.admin import ensure_topics
from adapters.kafka.connection import KafkaConnection
from adapters.kafka.publisher import KafkaPublisher
from adapters.kafka.security import TlsFiles, secured
from domain.errors import UserError
from domain.ports import OutboundMessage
from runtime.settings import Settings
from schemas.topics import (
    CODE_ASSIGNMENTS,
    DEAD_LETTERS,
    FRAMEWORKS,
    LLM_CALLS,
    READ_BESIDE_CALLS,
    RECORDS,
    REQUESTS,
    SUMMARIES,
    TOPICS,
)
from tests.builders import a_framework
from tests.integration.system_support import eventually, feedback, publishing, reading
from tests.kafka_tls import (
    ANOTHER_MACHINE,
    CLERK,
    CONSUMER,
    GUEST,
    KEY_PASSWORD,
    PASSWORDS,
    USER,
    WORKER,
    TlsKafka,
)
from tests.usage_support import migrated_database

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture(scope="module")
async def broker(tmp_path_factory) -> AsyncIterator[TlsKafka]:
    async with TlsKafka(tmp_path_factory.mktemp("kafka-tls")) as kafka:
        yield kafka


def over_tls(broker: TlsKafka, listener: str = "scram", **changes: object) -> dict[str, object]:
    """The environment of a process that may do everything; a change to None takes a variable away."""
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.at(listener),
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": PASSWORDS[USER],
        "KAFKA_SSL_CA_FILE": broker.files.ca,
        "KAFKA_TOPIC_PARTITIONS": 2,
        "KAFKA_ALLOW_PLAINTEXT": "",
        "DATABASE_URL": NO_DATABASE,
        **changes,
    }
    return {name: value for name, value in settings.items() if value is not None}


PLAINTEXT = {
    "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
    "KAFKA_SASL_MECHANISM": None,
    "KAFKA_SASL_USERNAME": None,
    "KAFKA_SASL_PASSWORD": None,
    "KAFKA_SSL_CA_FILE": None,
}
NO_SASL = {"KAFKA_SASL_MECHANISM": None, "KAFKA_SASL_USERNAME": None, "KAFKA_SASL_PASSWORD": None}
NO_TLS = {"KAFKA_SSL_CA_FILE": None}


def connection_of(user: str, broker: TlsKafka) -> KafkaConnection:
    files = TlsFiles(ca=broker.files.ca)
    return KafkaConnection(broker.at("scram"), secured("SASL_SSL", "SCRAM-SHA-256", user, PASSWORDS[user], files))


def as_user(user: str, environment: dict[str, object]) -> dict[str, object]:
    return {**environment, "KAFKA_SASL_USERNAME": user, "KAFKA_SASL_PASSWORD": PASSWORDS[user]}


async def test_a_record_goes_its_whole_way_over_tls_with_the_least_rights(broker, postgres, tmp_path):
    framework = a_framework()
    record = {"tenant_id": framework.tenant_id, "record_id": "r-1", "content": "The well has been dry since Monday."}
    async with migrated_database(postgres.url) as (database, engine):
        environment = over_tls(broker, DATABASE_URL=database.url)
        await ensure_topics(connection_of(USER, broker), 2, 1)
        settings = Settings(_env_file=None)
        inputs = (RECORDS, REQUESTS, FRAMEWORKS)
        await broker.grant(
            WORKER,
            reads=inputs,
            writes=[topic for topic in TOPICS if topic not in inputs],
            group=settings.worker_group,
        )
        await broker.grant(CONSUMER, reads=[LLM_CALLS], writes=[DEAD_LETTERS], group=settings.consumer_group)
        await broker.grant(CONSUMER, reads=READ_BESIDE_CALLS, group=settings.codings_group)
        async with (
            feedback("worker", cwd=tmp_path, **as_user(WORKER, environment)) as worker,
            feedback("consumer", cwd=tmp_path, **as_user(CONSUMER, environment)) as consumer,
            publishing(broker.at("scram"), **connection_of(USER, broker).security.client_options()) as producer,
            reading(broker.bootstrap_servers, CODE_ASSIGNMENTS.name, SUMMARIES.name) as outcomes,
        ):
            await producer.send_and_wait(FRAMEWORKS.name, framework.to_bytes(), key=framework.key.encode())
            asked = record | {"framework_id": framework.framework_id}
            await producer.send_and_wait(RECORDS.name, json.dumps(asked).encode(), key=b"r-1")
            await outcomes.until(lambda message: json.loads(message.value)["record_id"] == "r-1", count=2)

            async def stored() -> bool:
                async with engine.connect() as connection:
                    counts = "SELECT (SELECT count(*) FROM llm_calls), (SELECT count(*) FROM codings)"
                    return tuple((await connection.execute(text(counts))).one()) == (2, 1)

            await eventually(stored)
            for running in (worker, consumer):
                assert not [secret for secret in PASSWORDS.values() if secret in running.out + running.errors]
                assert "Traceback" not in running.errors


async def test_a_topic_that_may_not_be_written_ends_the_publishing_at_once_and_no_other(broker):
    await ensure_topics(connection_of(USER, broker), 2, 1)
    await broker.grant(CLERK, writes=[LLM_CALLS])
    async with KafkaPublisher(connection_of(CLERK, broker), delivery_timeout=300) as publisher, asyncio.timeout(60):
        with pytest.raises(UserError, match=f"does not let this client write to {DEAD_LETTERS.name}"):
            await publisher.publish(OutboundMessage(DEAD_LETTERS.name, b"k", b"v", ()))
        await publisher.publish(OutboundMessage(LLM_CALLS.name, b"k", b"{}", ()))


def test_a_certificate_of_ones_own_opens_a_listener_that_asks_for_one(broker, feedback_says):
    own = {"KAFKA_SSL_CERTIFICATE_FILE": broker.files.client, "KAFKA_SSL_KEY_FILE": broker.files.locked_key}
    environment = over_tls(broker, "mutual", KAFKA_SECURITY_PROTOCOL="SSL", **NO_SASL)
    opened = feedback_says("topics", "create", **environment, **own, KAFKA_SSL_KEY_PASSWORD=KEY_PASSWORD)
    assert opened.code == 0, opened
    feedback_says("topics", "create", **environment).assert_one_sentence("refused our certificate, the lack of one")


MISTAKES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "wrong password": ("scram", {"KAFKA_SASL_PASSWORD": "canary-wrong"}, ("refused the user or the password",)),
    "wrong password, PLAIN": (
        "scram",
        {"KAFKA_SASL_PASSWORD": "canary-wrong", "KAFKA_SASL_MECHANISM": "PLAIN"},
        ("refused the user or the password", "KAFKA_SASL_PASSWORD"),
    ),
    "an authority that is not trusted": ("scram", NO_TLS, ("is not trusted", "KAFKA_SSL_CA_FILE")),
    "another host": ("elsewhere", {"KAFKA_SECURITY_PROTOCOL": "SSL", **NO_SASL}, ("is for another host name",)),
    "sent on to another host": ("astray", {}, ("is for another host name", "advertised.listeners")),
    "TLS to a port without": ("broker", {}, ("speaks no TLS", "SASL_SSL")),
    "no TLS to a port with": (
        "scram",
        PLAINTEXT,
        ("speaks TLS, and KAFKA_SECURITY_PROTOCOL is PLAINTEXT", "SASL_SSL"),
    ),
    "no user for a port that asks": ("scram", {"KAFKA_SECURITY_PROTOCOL": "SSL", **NO_SASL}, ("closed it",)),
    "a user for a port that does not ask": (
        "broker",
        {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **NO_TLS},
        ("asks no one for a user", "KAFKA_SECURITY_PROTOCOL=PLAINTEXT"),
    ),
    "plaintext, sent on to another machine": (
        "away",
        PLAINTEXT,
        (f"sends us on to {ANOTHER_MACHINE}, outside of this machine", "KAFKA_ALLOW_PLAINTEXT=true"),
    ),
    "sent on to nobody": ("lost", PLAINTEXT, ("brokers that it names cannot be reached", "advertised.listeners")),
    "a user without rights": (
        "scram",
        {"KAFKA_SASL_USERNAME": GUEST, "KAFKA_SASL_PASSWORD": PASSWORDS[GUEST]},
        ("AuthorizationFailedError",),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_every_process_with_one_sentence(broker, feedback_says, mistake):
    listener, changes, words = MISTAKES[mistake]
    environment = over_tls(broker, listener, **changes)
    # Those at a terminal silence Kafka's client, and must hear it all the same.
    at_a_terminal = [["lag"]] if mistake in ("TLS to a port without", "an authority that is not trusted") else []
    for command in (["worker"], ["consumer"], ["topics", "create"], *at_a_terminal):
        ended = feedback_says(*command, **environment)
        if command == ["topics", "create"] and ended.code == 0:
            assert mistake == "a user without rights"  # all topics are there, so nothing was refused
            continue
        ended.assert_one_sentence(*words)
        assert "canary" not in ended.out + ended.err


def test_plaintext_is_refused_beyond_this_machine_before_anything_connects(broker, feedback_says):
    plain = {"KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092", "DATABASE_URL": NO_DATABASE, "KAFKA_ALLOW_PLAINTEXT": ""}
    for command in (["worker"], ["consumer"], ["topics", "create"], ["up"]):
        ended = feedback_says(*command, **plain)
        ended.assert_one_sentence("kafka.example:9092", "KAFKA_SECURITY_PROTOCOL to SSL", "KAFKA_ALLOW_PLAINTEXT=true")
    embedded = feedback_says("up", KAFKA_SECURITY_PROTOCOL="SSL")
    embedded.assert_one_sentence("the embedded Kafka has neither TLS nor users", "KAFKA_BOOTSTRAP_SERVERS")
