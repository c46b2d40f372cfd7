"""Every setting, read from the environment (and a `.env` file) in this one place.

`Settings()` is called by the commands, never at import. A wrong value ends as one sentence that names the variable.
"""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.errors import UserError

PositiveSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
DEFAULT_API_PORT = 8080

Port = Annotated[int, Field(ge=1, le=65_535)]


class Settings(BaseSettings):
    """What can be set from outside. The variable's name is the field's, in capitals; an empty one counts as absent."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    feedback_home: Path = Field(default=Path(".feedback"), description="Where embedded servers keep data and logs.")
    feedback_cache_dir: Path | None = Field(default=None, description="Where Kafka's jars are kept between runs.")
    feedback_maven_repository: str | None = Field(default=None, description="A mirror of the Maven repository.")
    kafka_home: Path | None = Field(default=None, description="An unpacked Kafka distribution to use when embedding.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="How much is logged.")

    kafka_bootstrap_servers: str | None = Field(
        default=None, description="host:port[,host:port...]; embedded if absent."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="SSL: TLS; SASL: a user and a password."
    )
    kafka_allow_plaintext: bool = Field(
        default=False, description="Whether what is not encrypted may go to a Kafka outside of this machine."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="For SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512,"
    )
    kafka_sasl_username: str | None = Field(default=None, description="the user")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="and the password.")
    kafka_ssl_ca_file: Path | None = Field(
        default=None, description="For TLS, PEM files: the authorities to trust, where not those of the system;"
    )
    kafka_ssl_certificate_file: Path | None = Field(default=None, description="our certificate, if Kafka asks for one,")
    kafka_ssl_key_file: Path | None = Field(default=None, description="its key,")
    kafka_ssl_key_password: SecretStr | None = Field(default=None, description="and the key's password, if it has one.")
    kafka_topic_partitions: int = Field(default=6, ge=1, le=1000, description="Partitions of topics that we create.")
    kafka_replication_factor: int = Field(default=1, ge=1, le=10, description="Replicas of topics that we create.")
    kafka_delivery_timeout_seconds: PositiveSeconds = Field(default=300, description="How long a send is tried again.")
    worker_group: str = Field(default="feedback-streams", min_length=1, description="Consumer group of the workers.")
    worker_instance_id: str | None = Field(
        default=None, description="A name for this worker that stays over restarts: it is then back in seconds."
    )
    consumer_group: str = Field(
        default="feedback-llm-calls",
        min_length=1,
        description="Group of the consumers; with -codings behind it, of the same for all but LLM calls.",
    )
    consumer_instance_id: str | None = Field(default=None, description="The same for this consumer.")

    database_url: SecretStr | None = Field(default=None, description="postgresql://...; embedded if absent.")
    database_host: str | None = Field(default=None, description="Instead of a URL: host,")
    database_port: Port = Field(default=5432, description="port,")
    database_user: str | None = Field(default=None, description="user,")
    database_name: str | None = Field(default=None, description="database,")
    database_password: SecretStr | None = Field(default=None, description="and password.")
    database_auth: Literal["password", "entra"] = Field(
        default="password", description="entra: a Microsoft Entra access token instead of a password."
    )
    database_sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = Field(
        default=None,
        # libpq's own variable is heeded, too: whoever has set it to verify-full must not get less.
        validation_alias=AliasChoices("database_sslmode", "pgsslmode"),
        description="Encryption, where the URL says nothing; prefer to this machine, require to any other if absent.",
    )
    database_ssl_root_cert: str | None = Field(
        default=None, description="For verify-ca and verify-full: a file of authorities (PEM), or system."
    )
    database_ssl_cert: str | None = Field(default=None, description="Our certificate, where the server asks for one,")
    database_ssl_key: str | None = Field(default=None, description="and its key: PEM files.")

    import_database_url: SecretStr | None = Field(
        default=None, description="For `feedback import-usage`: the older service's database, where it is another."
    )

    llm_model: str = Field(default="offline/semantic", min_length=1, description="provider/model, as LiteLLM names it.")
    llm_api_key: SecretStr | None = Field(default=None, description="The provider's key.")
    llm_api_base: str | None = Field(default=None, description="The provider's address, where it is not the usual one.")
    llm_models: str | None = Field(
        default=None, description="Other models for some operations: summarize=provider/model,analyze=..."
    )
    llm_fallback_model: str | None = Field(
        default=None, description="The model that answers where the first is down or refuses a request;"
    )
    llm_fallback_api_key: SecretStr | None = Field(default=None, description="its key, and")
    llm_fallback_api_base: str | None = Field(default=None, description="its address.")
    llm_attempt_timeout_seconds: PositiveSeconds = Field(default=60, description="The time for one LLM call.")
    llm_context_tokens: int | None = Field(
        default=None, ge=1000, description="Tokens that the models take; as LiteLLM's price map has it if absent."
    )
    llm_input_cost_per_token: Decimal | None = Field(default=None, ge=0, description="US dollars, for unknown models.")
    llm_output_cost_per_token: Decimal | None = Field(default=None, ge=0, description="US dollars, for unknown models.")

    prices_file: Path | None = Field(
        default=None, description="A file of dated prices, which win over all others: docs/prices.md."
    )

    budgets_file: Path | None = Field(
        default=None, description="A file of tenants' budgets, for `feedback budgets`: docs/budgets.md."
    )
    budget_seconds: PositiveSeconds = Field(default=60, description="How long it rests between its looks.")
    budget_pause_seconds: PositiveSeconds = Field(
        default=5, description="How often a worker with a database looks whose LLM work is paused for a budget."
    )
    budgets_webhook_url: SecretStr | None = Field(
        default=None, description="Where it tells alerts, too: https://..., or http://... to this machine;"
    )
    budgets_webhook_secret: SecretStr | None = Field(default=None, description="what it signs them with.")

    judge_model: str | None = Field(default=None, description="The model that judges results; LLM_MODEL if absent.")
    judge_api_key: SecretStr | None = Field(default=None, description="Its key, and")
    judge_api_base: str | None = Field(default=None, description="its address; with a JUDGE_MODEL of its own.")
    judge_share: float = Field(default=1.0, ge=0, le=1, description="The share of results that is judged.")
    judge_group: str = Field(default="feedback-judges", min_length=1, description="Consumer group of the judges.")
    judge_instance_id: str | None = Field(default=None, description="As WORKER_INSTANCE_ID, for this judge.")

    privacy_anonymise: bool = Field(
        default=True, description="Whether personal data is replaced before a model sees a record: docs/privacy.md."
    )
    privacy_ner: Literal["off", "auto", "rampart", "geonames"] = Field(
        default="auto", description="Names by model or list: off; auto: what is installed; or one that must be."
    )

    max_in_flight: int = Field(default=256, ge=1, le=10_000, description="LLM calls of one worker at a time.")
    invocation_deadline_seconds: PositiveSeconds = Field(default=300, description="The time for one operation.")
    framework_wait_seconds: PositiveSeconds = Field(
        default=30, description="How long a record waits for its framework."
    )
    framework_token_budget: int = Field(default=21_500, ge=100, description="Tokens that a framework may take.")
    coding_batch: int = Field(
        default=1, ge=1, le=20, description="Records that one LLM call codes, at most; 1: each has its own."
    )
    coding_batch_wait_ms: int = Field(
        default=50, ge=0, le=10_000, description="Milliseconds that a record waits for others to be coded with."
    )
    learn_from_corrections: bool = Field(
        default=True, description="Whether offline/semantic learns from analysts' corrections, by tenant."
    )
    corrected_examples: int = Field(
        default=0, ge=0, le=20, description="Corrected records like the record that a coding model is shown; 0: none."
    )
    request_deadline_seconds: PositiveSeconds = Field(
        default=1800, description="The time for one operation on a request over many records."
    )
    request_token_budget: int = Field(
        default=24_000, ge=500, description="Tokens of records that one prompt of a request takes."
    )
    request_calls_at_once: int = Field(default=16, ge=1, le=1_000, description="LLM calls of one request at a time.")
    past_codings_wait_seconds: float = Field(
        default=5,
        ge=0,
        le=60,
        allow_inf_nan=False,
        description="How long a request waits for our own codings, where a worker has a database; 0: not read.",
    )
    parts_wait_seconds: PositiveSeconds = Field(
        default=600, description="How long the parts of a request wait for each other."
    )
    parts_max_megabytes: int = Field(
        default=256, ge=1, description="The most that the waiting parts of requests may take in one worker."
    )
    drain_seconds: PositiveSeconds = Field(default=20, description="The time to finish in, after SIGTERM.")
    dead_letter_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="A worker halts when more of its latest outcomes are dead letters; 1: never.",
    )

    roll_seconds: PositiveSeconds = Field(default=10, description="How long the roller rests between its rounds.")

    metrics_host: str = Field(default="127.0.0.1", min_length=1, description="Where metrics are served.")
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] | None = Field(
        default=None,
        description="The port of a worker's, judge's, consumer's or roller's metrics; none if absent or 0.",
    )

    api_host: str = Field(default="127.0.0.1", min_length=1, description="Where the API listens.")
    api_port: Port | None = Field(default=None, description="The API's port; 8080 by default.")
    api_requests_per_minute: int = Field(
        default=600, ge=0, description="Of one API key, in each API process; 0: no limit."
    )
    api_failures_per_minute: int = Field(
        default=60, ge=0, description="Wrong keys from one address, in each API process; 0: no limit."
    )
    api_statement_seconds: PositiveSeconds = Field(
        default=30, description="The time for one question to the database; what takes longer is given up."
    )
    feedback_api_url: str | None = Field(default=None, description="For `feedback usage`: where the API answers,")
    feedback_api_key: SecretStr | None = Field(default=None, description="and a key that it knows.")

    @property
    def codings_group(self) -> str:
        """The consumers' group for codings, corrections and dead letters: they have one more than `consumer_group`."""
        return f"{self.consumer_group}-codings"

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _bootstrap_has_ports(cls, value: str | None) -> str | None:
        for server in (value or "x:1").split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdigit():
                raise ValueError("must be host:port, or several with commas between")
        return value


def as_environment(settings: Settings, **overrides: object) -> dict[str, str]:
    """The environment for a child process that shall have exactly these settings, secrets included."""
    values = {**settings.model_dump(), **overrides}
    environment = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    for name, value in values.items():
        if value is not None:
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            environment[name.upper()] = str(plain)
    return environment


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` (by field name) come first, None ones do not count.

    Raises:
        UserError: a value that does not fit, naming the variable but never a secret's value.
    """
    return _checked({name: value for name, value in overrides.items() if value is not None})


def load_some_settings(prefix: str, **overrides: object) -> Settings:
    """The settings whose names begin so, from the environment alone; all others as they are by default.

    For programs that are not ours: what else stands in their environment, or in their `.env`, is none of our business.

    Raises:
        UserError: as `load_settings`.
    """
    others = {name: kind.default for name, kind in Settings.model_fields.items() if not name.startswith(prefix)}
    return _checked({**others, **overrides, "_env_file": None})


def _checked(given: dict[str, object]) -> Settings:
    try:
        return Settings(**given)  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}" for problem in error.errors()
        )
        raise UserError(
            f"A setting does not fit: {problems}.",
            "Correct the variable in the environment or in .env; see .env.example.",
        ) from None
