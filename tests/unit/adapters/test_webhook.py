"""The webhook: what it is sent, how often it is tried, where nothing is sent, and what nobody sees."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from aiohttp import web

from adapters import webhook
from adapters.webhook import HTTPWebhook, WebhookSettings
from domain.errors import UserError, WebhookUnavailableError
from domain.usage.alerting import Owed

ALERT = Owed(UUID(int=7), '{"tenant_id":"é"}'.encode())


class Receiver:
    """Answers with one status after the other, the last one for ever; -1: it never answers."""

    def __init__(self) -> None:
        self.statuses = [204]
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""
        self.closing = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append((request.path_qs, dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status < 0:
            await self.closing.wait()
            status = 204
        return web.Response(status=status, headers={"Location": "/elsewhere"} if 300 <= status < 400 else {})


@pytest.fixture
async def receiver(monkeypatch) -> AsyncIterator[Receiver]:
    monkeypatch.setattr(webhook, "FIRST_PAUSE", 0.0)
    one = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", one.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?token=hush"
    yield one
    one.closing.set()
    await runner.cleanup()


async def tell(url: str, secret: str | None = None, seconds: float = 30) -> None:
    async with HTTPWebhook(WebhookSettings(url, secret, attempt_seconds=seconds)) as hook:
        await hook.tell(ALERT)


async def test_it_is_sent_the_event_as_it_is_signed_over_its_bytes(receiver):
    await tell(receiver.url, "s3cret")
    [(path, headers, body)] = receiver.got
    assert (path, body) == ("/hook?token=hush", ALERT.event)
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["Feedback-Signature"] == f"sha256={expected}"
    assert headers["Feedback-Alert-Id"] == str(ALERT.alert_id)
    assert headers["Content-Type"] == "application/json"


async def test_without_a_secret_there_is_no_signature(receiver):
    await tell(receiver.url)
    assert "Feedback-Signature" not in receiver.got[0][1]


@pytest.mark.parametrize(
    ("statuses", "tries", "is_taken"),
    [
        ([200], 1, True),
        ([500, 429, 202], 3, True),
        ([503], 3, False),
        ([400], 1, False),
        ([410], 1, False),
        ([302], 1, False),
        ([308], 1, False),
    ],
)
async def test_what_may_pass_is_tried_again_and_a_redirect_is_not_followed(receiver, statuses, tries, is_taken):
    receiver.statuses = statuses
    if is_taken:
        await tell(receiver.url)
    else:
        with pytest.raises(WebhookUnavailableError, match=f"status {statuses[-1]}") as caught:
            await tell(receiver.url, "s3cret")
        assert "hush" not in caught.value.message
        assert "s3cret" not in caught.value.message
    assert len(receiver.got) == tries
    assert {path for path, *_ in receiver.got} == {"/hook?token=hush"}


async def test_silence_counts_as_a_failure(receiver):
    receiver.statuses = [-1]
    with pytest.raises(WebhookUnavailableError, match="TimeoutError"):
        await tell(receiver.url, seconds=0.05)
    assert len(receiver.got) == webhook.TRIES


async def test_where_nobody_listens_it_is_told_without_the_address():
    with pytest.raises(WebhookUnavailableError, match=r"at 127.0.0.1:1 did not take an alert \(Client"):
        await tell("http://127.0.0.1:1/hush")


@pytest.mark.parametrize(
    "url", ["https://h/p", "https://h:8443", "http://localhost:1/", "http://127.9.9.9/x", "http://[::1]:7"]
)
def test_addresses_that_can_be_used(url: str):
    assert url not in repr(WebhookSettings(url, "s3cret"))
    assert "s3cret" not in repr(WebhookSettings(url, "s3cret"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.org/hush", "would send alerts to example.org without encryption"),
        ("http://10.0.0.1/hush", "without encryption"),
        ("http://127.0.0.1.example.org/hush", "without encryption"),
        ("ftp://h/hush", "is no address of a webhook"),
        ("hush", "is no address of a webhook"),
        ("https:///hush", "is no address of a webhook"),
        ("https://h:port/hush", "is no address of a webhook"),
        ("https://[hush", "is no address of a webhook"),
    ],
)
def test_addresses_that_cannot(url: str, said: str):
    with pytest.raises(UserError, match=said) as caught:
        WebhookSettings(url)
    assert "hush" not in f"{caught.value.message} {caught.value.remedy}"
