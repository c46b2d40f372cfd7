"""From settings to values and connections: what every process of ours is put together from."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.header_names import take_any_header_names
from adapters.kafka.publisher import KafkaPublisher
from adapters.llm.settings import LLMSettings, SettingNames
from adapters.postgres.engine import DatabaseSettings, Engine, check, create_engine
from adapters.postgres.fitness import DatabaseAwayError, ensure_usable
from adapters.postgres.keys import PostgresKeyStore
from adapters.postgres.rights import KEEPING_KEYS, Rights
from adapters.postgres.tls import TLS
from domain.delivery.parts import GRACE_SECONDS, MEBIBYTE, PartsSettings
from domain.delivery.settings import DeliverySettings
from domain.errors import UserError
from domain.operations.many.limits import Limits
from runtime.kafka_security import kafka_security
from runtime.price_file import load_prices
from runtime.settings import Settings
from schemas.operations import Operation

logger = logging.getLogger(__name__)

_UP = "start everything at once with `feedback up` and, in another terminal, `set -a; source .feedback/env; set +a`."
"""The file holds no `export`, as other programs read it too: `source` alone would hand nothing on to a program."""

_HOST_SECONDS = 10.0
"""A host name that is unknown for so long at the start is a mistake: the process ends, and may be started again."""


def kafka_connection(settings: Settings) -> KafkaConnection:
    """How to reach Kafka. From here on every consumer of this process, whoever opens it, reads any client's records.

    Raises:
        UserError: no address is set, or it may not or cannot be used as TLS and SASL are set.
    """
    take_any_header_names()
    if not settings.kafka_bootstrap_servers:
        raise UserError(
            "KAFKA_BOOTSTRAP_SERVERS is not set.",
            f"Set it to host:port of your Kafka, or {_UP}",
        )
    return KafkaConnection(
        settings.kafka_bootstrap_servers, kafka_security(settings), plaintext_anywhere=settings.kafka_allow_plaintext
    )


def publisher(settings: Settings) -> KafkaPublisher:
    """Durable sends to Kafka, to be entered.

    Raises:
        UserError: no address is set.
    """
    return KafkaPublisher(kafka_connection(settings), settings.kafka_delivery_timeout_seconds)


def database_url(settings: Settings) -> str | None:
    """Something that names a database, or None where none is set and an embedded one is meant."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return f"postgresql://{settings.database_host}" if settings.database_host else None


def database_settings(settings: Settings) -> DatabaseSettings:
    """How to reach PostgreSQL.

    Raises:
        UserError: neither a URL nor a host is set.
    """
    tls = TLS(
        settings.database_sslmode,
        settings.database_ssl_root_cert,
        settings.database_ssl_cert,
        settings.database_ssl_key,
    )
    if settings.database_url is not None:
        return DatabaseSettings(url=settings.database_url.get_secret_value(), auth=settings.database_auth, tls=tls)
    if not settings.database_host:
        raise UserError(
            "DATABASE_URL is not set.",
            f"Set it to postgresql://user:password@host:5432/name, or {_UP}",
        )
    return DatabaseSettings(
        host=settings.database_host,
        port=settings.database_port,
        user=settings.database_user,
        password=settings.database_password.get_secret_value() if settings.database_password else None,
        name=settings.database_name,
        auth=settings.database_auth,
        tls=tls,
    )


@asynccontextmanager
async def database_engine(settings: Settings) -> AsyncIterator[Engine]:
    """Connections to PostgreSQL, closed in the end.

    Raises:
        UserError: the database is not set, or cannot be reached.
    """
    await check(database_settings(settings))
    async with _unchecked_engine(settings) as engine:
        yield engine


@asynccontextmanager
async def _unchecked_engine(settings: Settings, statement_seconds: float | None = None) -> AsyncIterator[Engine]:
    """The same without a look whether the database is there."""
    reached = database_settings(settings)
    if statement_seconds is not None:
        reached = replace(
            reached, command_timeout_seconds=statement_seconds, statement_timeout_seconds=statement_seconds
        )
    engine = create_engine(reached)
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def patient_engine(
    settings: Settings, rights: Rights, statement_seconds: float | None = None
) -> AsyncIterator[Engine]:
    """For a process that can wait for the database: an outage is a warning, as replicas start in any order.

    Args:
        settings: this process's.
        rights: what it does there.
        statement_seconds: for one statement, by the server's clock, too: it ends one whose asker is gone.

    Raises:
        UserError: waiting would not help: a wrong password, an unknown host or database, a schema that is not there,
            rights that we lack.
    """
    async with _unchecked_engine(settings, statement_seconds) as engine:
        try:
            await ensure_usable(database_settings(settings), engine, rights, host_seconds=_HOST_SECONDS)
        except DatabaseAwayError as error:
            logger.warning("%s Started without it; it is used as soon as it answers. %s", error.message, error.remedy)
        yield engine


@asynccontextmanager
async def unhurried_engine(settings: Settings, rights: Rights) -> AsyncIterator[Engine]:
    """For a command over all rows, whose statements may take as long as they need.

    Raises:
        UserError: the database is not set, cannot be reached, has not our schema, or does not let us at it.
    """
    reached = database_settings(settings)
    engine = create_engine(replace(reached, command_timeout_seconds=None))
    try:
        await ensure_usable(reached, engine, rights)
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def key_store(settings: Settings) -> AsyncIterator[PostgresKeyStore]:
    """The API keys.

    Raises:
        UserError: the database is not set, cannot be reached, has no such table, or does not let us at it.
    """
    async with _unchecked_engine(settings) as engine:
        await ensure_usable(database_settings(settings), engine, KEEPING_KEYS)
        yield PostgresKeyStore(engine)


def llm_settings(settings: Settings) -> LLMSettings:
    """The model and how to reach it.

    Raises:
        UserError: values that do not go together, or PRICES_FILE is no price file.
    """
    return LLMSettings(
        model=settings.llm_model,
        api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else None,
        api_base=settings.llm_api_base,
        attempt_timeout_seconds=settings.llm_attempt_timeout_seconds,
        max_connections=settings.max_in_flight,
        input_cost_per_token=settings.llm_input_cost_per_token,
        output_cost_per_token=settings.llm_output_cost_per_token,
        prices=load_prices(settings.prices_file) if settings.prices_file is not None else None,
    )


def fallback_settings(settings: Settings) -> LLMSettings | None:
    """The model that answers where the first does not, and how to reach it; None where none is set.

    Raises:
        UserError: a key or an address without a model, or values that do not go together.
    """
    key, base = settings.llm_fallback_api_key, settings.llm_fallback_api_base
    if settings.llm_fallback_model is None:
        if key is not None or base is not None:
            raise UserError(
                "LLM_FALLBACK_API_KEY or LLM_FALLBACK_API_BASE is set, and no fallback model.",
                "Set LLM_FALLBACK_MODEL as well, or none of them.",
            )
        return None
    return replace(
        llm_settings(settings),
        model=settings.llm_fallback_model,
        api_key=key.get_secret_value() if key else None,
        api_base=base,
        input_cost_per_token=None,
        output_cost_per_token=None,
        names=SettingNames("LLM_FALLBACK_MODEL", "LLM_FALLBACK_API_KEY", "LLM_FALLBACK_API_BASE"),
    )


def settings_by_operation(settings: Settings) -> dict[Operation, LLMSettings]:
    """The models of LLM_MODELS, by operation; reached as LLM_MODEL is.

    Raises:
        UserError: it does not read `operation=provider/model`, with commas between several.
    """
    found: dict[Operation, LLMSettings] = {}
    for pair in filter(None, map(str.strip, (settings.llm_models or "").split(","))):
        name, _, model = (part.strip() for part in pair.partition("="))
        if name not in _ROUTED or not model or Operation(name) in found:
            raise UserError(
                "LLM_MODELS does not name one model for each of some operations.",
                f"Give operation=provider/model, with commas between several; operations: {', '.join(_ROUTED)}.",
            )
        found[Operation(name)] = replace(
            llm_settings(settings),
            model=model,
            input_cost_per_token=None,
            output_cost_per_token=None,
            names=SettingNames(model=f"{name} in LLM_MODELS"),
        )
    return found


def coding_models(settings: Settings) -> Sequence[LLMSettings]:
    """The models that may be asked for codes: the one that is asked first, and the fallback where there is one.

    Raises:
        UserError: values that do not go together.
    """
    first = settings_by_operation(settings).get(Operation.ASSIGN_CODES) or llm_settings(settings)
    return [one for one in (first, fallback_settings(settings)) if one is not None]


def all_models(settings: Settings) -> Sequence[LLMSettings]:
    """Every model that workers open, each once.

    Raises:
        UserError: values that do not go together.
    """
    others = (*settings_by_operation(settings).values(), fallback_settings(settings))
    return list(dict.fromkeys(filter(None, (llm_settings(settings), *others))))


_ROUTED = tuple(operation.value for operation in Operation if operation is not Operation.JUDGE)
"""The operations that workers carry out; a judge has JUDGE_MODEL."""


def delivery_settings(settings: Settings) -> DeliverySettings:
    """How much at once, how long, and when to stop."""
    return DeliverySettings(
        max_in_flight=settings.max_in_flight,
        framework_wait_seconds=settings.framework_wait_seconds,
        framework_token_budget=settings.framework_token_budget,
        deadline_seconds=settings.invocation_deadline_seconds,
        many_deadline_seconds=settings.request_deadline_seconds,
        coding_batch=settings.coding_batch,
        coding_batch_wait_seconds=settings.coding_batch_wait_ms / 1000,
        dead_letter_share=settings.dead_letter_share,
        parts=PartsSettings(
            wait_seconds=settings.parts_wait_seconds,
            grace_seconds=min(GRACE_SECONDS, settings.parts_wait_seconds),
            max_bytes=settings.parts_max_megabytes * MEBIBYTE,
        ),
        many=Limits(settings.request_token_budget, settings.request_calls_at_once),
    )
