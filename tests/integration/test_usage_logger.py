"""FeedbackUsageLogger: what LiteLLM programs do becomes events on a real Kafka, and rows that say the same."""

import asyncio
import threading
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import litellm
import pytest
from sqlalchemy import text

from consumers.decoding import decode
from runtime.settings import Settings
from runtime.usage_logger import FeedbackUsageLogger
from schemas.llm_calls import LLMCall
from tests.integration.llm_calls_support import SECONDS, Rig, a_rig, until
from tests.llm_server import running_llm_server
from tests.llm_streams import StreamingLLMServer

LISTS = ("callbacks", "success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback")
MINE = {"tenant_id": "water-office", "operation": "triage", "record_id": "r-1", "prompt_version": "triage.v3"}
SECRET = "the well at 4 Mill Lane is dry"
KEY = "sk-very-secret"
MODEL = "openai/gpt-4o-mini"


@pytest.fixture
async def rig(kafka, postgres) -> AsyncIterator[Rig]:
    async with a_rig(kafka.bootstrap_servers, postgres.url) as rig:
        yield rig


@pytest.fixture
async def provider() -> AsyncIterator[StreamingLLMServer]:
    async with running_llm_server(StreamingLLMServer()) as server:
        yield server  # type: ignore[misc]  # it is the one that was given


@pytest.fixture
def using(monkeypatch):
    """Has LiteLLM use a logger, and nothing of it left behind."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    before = {name: list(getattr(litellm, name)) for name in LISTS}

    def use(logger: FeedbackUsageLogger) -> FeedbackUsageLogger:
        litellm.callbacks = [logger]
        return logger

    yield use
    for name, held in before.items():
        setattr(litellm, name, held)


def asked(server: StreamingLLMServer | None = None, words: str = "", **more: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{SECRET} {words}"}]
    given: dict[str, Any] = {"model": MODEL, "messages": messages, "api_key": KEY, "metadata": dict(MINE)}
    if server is not None:
        given |= {"api_base": server.base_url, "max_retries": 0}
    return given | more


async def events(rig: Rig, count: int) -> list[tuple[LLMCall, Any]]:
    """So many events, as the consumer decodes them, with their messages."""
    messages = await rig.messages(count)
    for message in messages:
        everything = b"".join([message.value, message.key, *(value for _, value in message.headers)])
        for word in (SECRET, KEY, "Mill Lane", "Be brief"):
            assert word.encode() not in everything
    return [(decode(message.value), message) for message in messages]


async def test_every_way_of_calling_is_an_event_and_a_row(rig, provider, using):
    logger = using(FeedbackUsageLogger(topic=rig.topic, kafka_bootstrap_servers=rig.bootstrap))

    def in_a_thread() -> None:
        litellm.completion(**asked(provider, "[[input:1000]] [[cached:600]] [[output:200]] [[reasoning:50]]"))
        list(litellm.completion(**asked(provider, stream=True, stream_options={"include_usage": True})))
        with pytest.raises(litellm.RateLimitError):
            litellm.completion(**asked(provider, "[[ratelimit]]"))
        litellm.embedding(model="text-embedding-3-small", input=[SECRET], mock_response=[0.5], metadata=dict(MINE))

    await asyncio.to_thread(in_a_thread)
    await litellm.acompletion(**asked(mock_response="Noted."))
    async for _ in await litellm.acompletion(**asked(provider, stream=True)):
        pass
    await litellm.aembedding(model="text-embedding-3-small", input=[SECRET], mock_response=[0.5], metadata=dict(MINE))
    with pytest.raises(litellm.ServiceUnavailableError):
        await litellm.acompletion(**asked(provider, "[[fail:503]]"))

    found = [event for event, _ in await events(rig, 8)]
    await until(lambda: logger.sent == 8)
    assert logger.dropped == 0
    assert {(event.tenant_id, event.record_id, event.operation) for event in found} == {
        ("water-office", "r-1", "triage")
    }
    assert {event.prompt_version for event in found} == {"triage.v3"}
    failed = {(event.error_class, event.http_status, event.cost_usd) for event in found if event.status == "error"}
    assert failed == {("RateLimitedError", 429, None), ("ProviderUnavailableError", 503, None)}
    cached = next(event for event in found if event.input_tokens == 1000)
    assert (cached.output_tokens, cached.cache_read_input_tokens, cached.reasoning_output_tokens) == (200, 600, 50)
    assert cached.cost_usd == 400 * Decimal("1.5e-7") + 600 * Decimal("7.5e-8") + 200 * Decimal("6e-7")
    for event in found:
        if event.status == "ok":
            assert (event.cost_usd is None) == (event.cost_source == "missing_usage") == (event.input_tokens is None)
            assert event.model in ("gpt-4o-mini", "text-embedding-3-small")
    sources = sorted(event.cost_source or "" for event in found)
    # A stream tells its usage where it is asked to.
    assert sources == ["missing_usage", "no_answer", "no_answer", *["price_map"] * 5]
    assert sum(event.request_model == "openai/text-embedding-3-small" for event in found) == 2

    async with rig.consuming() as progress:
        await until(lambda: progress.stored == 8)
    columns = ", ".join(f'"{name}"' for name in LLMCall.model_fields if name != "schema_version")
    async with rig.engine.connect() as connection:
        rows = (await connection.execute(text(f"SELECT {columns} FROM llm_calls"))).mappings().all()  # noqa: S608
    stored = {row["call_id"]: LLMCall(**row) for row in rows}
    assert stored == {event.call_id: event for event in found}


async def test_retries_and_fallbacks_of_a_router_are_attempts_of_one_invocation(rig, provider, using):
    using(FeedbackUsageLogger(topic=rig.topic, kafka_bootstrap_servers=rig.bootstrap))
    reached = {"api_base": provider.base_url, "api_key": KEY, "max_retries": 0}
    router = litellm.Router(
        model_list=[
            {"model_name": "first", "litellm_params": {"model": MODEL, **reached}},
            {"model_name": "second", "litellm_params": {"model": "openai/gpt-4o", **reached}},
        ],
        num_retries=1,
        retry_after=0,
        fallbacks=[{"first": ["second"]}],
        disable_cooldowns=True,
    )
    given = asked(words="[[fail:500x2]]")

    await router.acompletion(model="first", messages=given["messages"], metadata=given["metadata"])

    found = sorted((event for event, _ in await events(rig, 3)), key=lambda event: event.timestamp)
    assert [(event.attempt, event.status, event.request_model) for event in found] == [
        (1, "error", MODEL),
        (2, "error", MODEL),
        (3, "ok", "openai/gpt-4o"),
    ]
    assert len({event.invocation_id for event in found}) == 1
    assert {event.invocation_started_at for event in found} == {found[0].timestamp}
    assert provider.stats()["attempts"] == 3


async def test_what_the_program_says_of_itself_counts(rig, using):
    logger = using(FeedbackUsageLogger(topic=rig.topic, kafka_bootstrap_servers=rig.bootstrap, default_tenant="us"))
    invocation, trace = uuid4(), uuid4()
    said = {"invocation_id": str(invocation), "attempt": 7, "request_id": "q", "trace_id": str(trace)}
    said |= {"invocation_started_at": "2026-11-20T12:00:00+02:00", "tenant_id": "a\x00b"}
    await litellm.acompletion(**asked(mock_response="x", metadata=said))
    await litellm.acompletion(**asked(mock_response="x", metadata={"user_api_key_team_id": "team", "attempt": "first"}))
    await litellm.acompletion(**asked(mock_response="x", metadata={"invocation_id": "not a UUID"}))
    await litellm.acompletion(**asked(mock_response="x", metadata={"invocation_id": "not a UUID"}))

    found = await events(rig, 4)
    by_tenant = {event.tenant_id: (event, message) for event, message in found}
    event, message = by_tenant["ab"]
    assert (event.invocation_id, event.attempt, event.request_id) == (invocation, 7, "q")
    assert (event.trace_id, event.operation) == (trace.hex, "completion")
    assert event.invocation_started_at.isoformat() == "2026-11-20T12:00:00+02:00"
    headers = dict(message.headers)
    assert message.key == str(invocation).encode()
    assert (headers["ce_id"], headers["ce_type"]) == (str(event.call_id).encode(), b"llm.call.recorded")
    assert by_tenant["team"][0].attempt == 1
    ours = sorted((event for event, _ in found if event.tenant_id == "us"), key=lambda event: event.attempt)
    assert [event.attempt for event in ours] == [1, 2]
    assert len({event.invocation_id for event in ours}) == 1
    assert isinstance(ours[0].invocation_id, UUID)
    assert logger.dropped == 0


async def test_a_client_of_a_proxy_cannot_name_another_tenant(rig, using):
    using(FeedbackUsageLogger(topic=rig.topic, kafka_bootstrap_servers=rig.bootstrap, tenant_of_key=True))
    said = {"tenant_id": "somebody else", "user_api_key_team_id": "team", "user_api_key_user_id": "user"}
    await litellm.acompletion(**asked(mock_response="x", metadata=said))
    ((event, _),) = await events(rig, 1)
    assert event.tenant_id == "team"


async def test_the_master_key_of_a_proxy_is_no_tenants(rig, using):
    using(FeedbackUsageLogger(topic=rig.topic, kafka_bootstrap_servers=rig.bootstrap, tenant_of_key=True))
    said = {"user_api_key_user_id": "default_user_id", "requester_metadata": {"tenant_id": "water-office"}}
    await litellm.acompletion(**asked(mock_response="x", metadata=said))
    ((event, _),) = await events(rig, 1)
    assert event.tenant_id == "water-office"


async def test_told_twice_is_one_event_and_a_cached_answer_is_none(rig, using):
    logger = using(FeedbackUsageLogger(topic=rig.topic, kafka_bootstrap_servers=rig.bootstrap))
    held: list[tuple[Any, ...]] = []
    take = logger._take
    logger._take = lambda *told, failed: (held.append(told), take(*told, failed=failed))  # type: ignore[method-assign]
    await litellm.acompletion(**asked(mock_response="x"))
    await until(lambda: logger.sent == 1)
    (told,) = held
    take(*told, failed=False)
    take({**told[0], "cache_hit": True, "litellm_call_id": "other"}, *told[1:], failed=False)
    take({"litellm_call_id": "last"}, *told[1:], failed=True)
    assert {event.error_class for event, _ in await events(rig, 2)} == {None, "UnknownError"}
    assert logger.flush(SECONDS)
    assert (logger.sent, logger.dropped) == (2, 0)


async def test_a_program_without_kafka_goes_on_and_what_finds_no_room_is_counted(using, caplog):
    logger = using(FeedbackUsageLogger(kafka_bootstrap_servers="127.0.0.1:1", capacity=2, exit_seconds=0.1))
    for _ in range(5):
        answer = await litellm.acompletion(**asked(mock_response="Noted."))
        assert answer.choices[0].message.content == "Noted."
    await until(lambda: logger.dropped == 3)
    assert not logger.flush(0)
    told = [record for record in caplog.records if "is dropped" in record.getMessage()]
    assert len(told) == 1
    assert SECRET not in caplog.text


async def test_what_waited_for_a_thread_that_could_not_be_started_is_sent_with_the_next(
    rig, using, monkeypatch, caplog
):
    logger = using(FeedbackUsageLogger(topic=rig.topic, kafka_bootstrap_servers=rig.bootstrap))
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "feedback-usage":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        await litellm.acompletion(**asked(mock_response="Noted."))
        assert not await logger.finished(0.3)
    await litellm.acompletion(**asked(mock_response="Noted."))
    assert await logger.finished(SECONDS)
    assert (logger.sent, logger.dropped) == (2, 0)
    assert "Usage events wait: can't start new thread." in caplog.text


async def test_who_waits_for_its_events_waits_as_long_as_it_says(using):
    logger = using(FeedbackUsageLogger(kafka_bootstrap_servers="127.0.0.1:1", exit_seconds=0.1))
    assert await logger.finished()
    await litellm.acompletion(**asked(mock_response="Noted."))
    assert not await logger.finished(0.3)
    assert (logger.sent, logger.dropped) == (0, 0)


def test_a_proxy_finds_its_logger_by_name_and_nothing_began():
    from litellm.proxy.types_utils.utils import get_instance_fn

    logger = get_instance_fn("runtime.usage_logger.proxy_logger", "/etc/litellm/config.yaml")
    assert isinstance(logger, FeedbackUsageLogger)
    assert logger._sender._thread is None
    with pytest.raises(TypeError, match="no argument retries"):
        FeedbackUsageLogger(retries=3)
