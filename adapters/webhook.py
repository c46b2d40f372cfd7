"""Tells alerts to a webhook: one POST with a signature, tried a few times, and sent nowhere else."""

import asyncio
import hmac
import ipaddress
import random
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self
from urllib.parse import SplitResult, urlsplit

import aiohttp

from domain.errors import UserError, WebhookUnavailableError
from domain.usage.alerting import Owed

ATTEMPT_SECONDS = 10.0
TRIES = 3
FIRST_PAUSE = 0.5
"""Seconds, at most, before the second try; twice as many before each further one (full jitter)."""

SIGNATURE = "Feedback-Signature"
ALERT_ID = "Feedback-Alert-Id"

_TRY_AGAIN = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where to, and what to sign with.

    Attributes:
        url: https; or http to this machine. It may hold a secret of the receiver's, so it is never shown.
        secret: for the signature; None: there is none.
        attempt_seconds: for one try.
        tries: at one go.

    Raises:
        UserError: the URL is none, or leads out of this machine without TLS.
    """

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    attempt_seconds: float = ATTEMPT_SECONDS
    tries: int = TRIES

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
            raise UserError("BUDGETS_WEBHOOK_URL is no address of a webhook.", "Write https://host/path.")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise UserError(
                f"BUDGETS_WEBHOOK_URL would send alerts to {self.place} without encryption.",
                "Use https; http is for this machine only (127.0.0.1, ::1, localhost).",
            )

    @property
    def place(self) -> str:
        """Host and port, for sentences."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def signature(secret: str, body: bytes) -> str:
    """`sha256=` and the HMAC-SHA256 of the body in hex."""
    return f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}"


class HTTPWebhook:
    """Fulfils `domain.usage.alerting.Webhook`; an async context manager."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._settings.attempt_seconds))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def tell(self, alert: Owed) -> None:
        """Return once it has answered with a status of 2xx.

        Raises:
            WebhookUnavailableError: it did not, at any of the tries; nothing of the URL but its host is told.
        """
        for tried in range(1, self._settings.tries + 1):
            problem, again = await self._post(alert)
            if problem is None:
                return
            if not again or tried == self._settings.tries:
                raise WebhookUnavailableError(
                    f"The webhook at {self._settings.place} did not take an alert ({problem})."
                )
            await asyncio.sleep(random.uniform(0, FIRST_PAUSE * 2 ** (tried - 1)))  # noqa: S311 - spreads retries

    async def _post(self, alert: Owed) -> tuple[str | None, bool]:
        """What went wrong, if anything did, and whether another try may mend it."""
        assert self._session is not None  # noqa: S101 - it is entered
        headers = {"Content-Type": "application/json", ALERT_ID: str(alert.alert_id)}
        if self._settings.secret is not None:
            headers[SIGNATURE] = signature(self._settings.secret, alert.event)
        try:
            # A redirect would carry the alert to wherever it points.
            async with self._session.post(
                self._settings.url, data=alert.event, headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return type(error).__name__, True
        if 200 <= status < 300:
            return None, False
        return f"status {status}", status >= 500 or status in _TRY_AGAIN
