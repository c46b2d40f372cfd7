"""Asking the read API over HTTP, as any client would."""

import asyncio
from typing import Any

import aiohttp

from domain.errors import FeedbackError, UserError
from runtime.system.supervisor import Supervisor

_READY_WITHIN = 60.0
_POLL = 0.1
_TIMEOUT = aiohttp.ClientTimeout(total=30)


async def until_ready(url: str, supervisor: Supervisor) -> None:
    """Return once `/readyz` answers 200.

    Raises:
        UserError: it does not within a minute.
        FeedbackError: a process of the system gave up meanwhile.
    """
    failed = asyncio.ensure_future(supervisor.failed())
    ready = asyncio.ensure_future(_poll(url + "/readyz"))
    try:
        done, _ = await asyncio.wait({failed, ready}, timeout=_READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise UserError(f"The API at {url} was not ready within a minute.", "Read the logs beside processes.json.")
        await done.pop()
    finally:
        failed.cancel()
        ready.cancel()
        await asyncio.gather(failed, ready, return_exceptions=True)


async def _poll(url: str) -> None:
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(_POLL)  # another process's readiness is no event that could be awaited


async def get_json(url: str, key: str, **parameters: str) -> Any:
    """What the API answers to a GET with a key.

    Raises:
        FeedbackError: it answers anything but 200.
    """
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT) as session,
        session.get(url, params=parameters, headers=headers) as answer,
    ):
        if answer.status != 200:
            raise FeedbackError(f"The API answered {answer.status} to {answer.url.path}.")
        return await answer.json()
