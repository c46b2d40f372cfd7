"""The one place where our processes import LiteLLM, so that it is always set up the same way.

`usage_logger` is for programs that have imported it themselves, and leaves it as they set it up.

The import takes seconds: it happens when a model is opened, never before.
"""

import logging
import os
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, wraps
from typing import Any

import aiohttp

_SILENT = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai", "httpx", "httpcore")
_sessions: list[aiohttp.ClientSession] = []
"""Of the models that are open, the latest last."""


@cache
def litellm() -> Any:
    """The module, imported at the first call (about 3 s) and made silent.

    Two things LiteLLM reads from the environment while it is imported, and has no parameter for. Without
    `LITELLM_LOCAL_MODEL_COST_MAP` the import downloads a price list, and hangs where there is no network; in its
    default `LITELLM_MODE` it loads a `.env` of its own choice into our environment. So both are written here, right
    before the import, and nowhere else; a value that the operator has set stands. Everything else that we want of
    LiteLLM is given as a parameter (the number of connections, too: it would read that from the environment).
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm as module

    module.suppress_debug_info = True
    module.turn_off_message_logging = True
    module.redact_messages_in_exceptions = True
    module.telemetry = False
    module.drop_params = False  # given with each call: the global one makes LiteLLM repeat a 422 by itself
    for name in _SILENT:
        _mute(logging.getLogger(name))
    _bind_clients()
    # They quote what the provider sent, on stderr.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    return module


def _bind_clients() -> None:
    """Have every HTTP client that LiteLLM makes use our session, and none follow a redirect.

    `acompletion` takes a session, but hands it on to some providers' clients only: those of anthropic, gemini, azure,
    huggingface, databricks and others open one of their own, to which none of our rules applies, and which takes the
    prompt and an `x-api-key` along to wherever a redirect leads. There is no public way to say otherwise.
    """
    from litellm.llms.custom_httpx import http_handler

    handlers: Any = http_handler
    make_transport = handlers.AsyncHTTPHandler.create_aiohttp_transport

    @wraps(make_transport)
    def with_our_session(ssl_verify: Any = None, ssl_context: Any = None, shared_session: Any = None) -> Any:
        ours = shared_session or (_sessions[-1] if _sessions else None)
        return make_transport(ssl_verify, ssl_context, ours)

    handlers.AsyncHTTPHandler.create_aiohttp_transport = staticmethod(with_our_session)
    # What goes another way after all (http/2, tokens that LiteLLM fetches for a few clouds) stays where it is sent.
    for kind in (handlers.AsyncHTTPHandler, handlers.HTTPHandler):
        kind.create_client = _staying(kind.create_client)


def _staying(make_client: Any) -> Any:
    @wraps(make_client)
    def make(*arguments: Any, **options: Any) -> Any:
        client = make_client(*arguments, **options)
        client.follow_redirects = False
        return client

    return make


@asynccontextmanager
async def closing_clients(litellm: Any, session: aiohttp.ClientSession) -> AsyncIterator[None]:
    """Have LiteLLM's new clients use a session; at the end make it forget those in its cache, and close them with the
    last of several users.

    The cache belongs to the process, and what it holds is bound to the HTTP session of a user: with a client of a
    closed session LiteLLM would open a session of its own, to which none of our rules applies.
    """
    _sessions.append(session)
    try:
        yield
    finally:
        _sessions.remove(session)
        if not _sessions:
            await _close(litellm)
        litellm.in_memory_llm_clients_cache.flush_cache()


async def _close(litellm: Any) -> None:
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    await litellm.close_litellm_async_clients()
    await GLOBAL_LOGGING_WORKER.stop()


def _mute(logger: logging.Logger) -> None:
    """Log lines of LiteLLM and of its HTTP clients hold prompts, answers, headers, and keys in addresses, at some
    levels: none of them is let out.
    """
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
