"""The one place where LiteLLM is imported, so that it is always set up the same way.

The import takes seconds: it happens when a model is opened, never before.
"""

import logging
import os
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

_SILENT = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai", "httpx", "httpcore")
_open_models: list[object] = []


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
    # They quote what the provider sent, on stderr.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    return module


@asynccontextmanager
async def closing_clients(litellm: Any) -> AsyncIterator[None]:
    """Make LiteLLM forget the clients in its cache at the end, and close them with the last of several users.

    The cache belongs to the process, and what it holds is bound to the HTTP session of a user: with a client of a
    closed session LiteLLM would open a session of its own, to which none of our rules applies.
    """
    user = object()
    _open_models.append(user)
    try:
        yield
    finally:
        _open_models.remove(user)
        if not _open_models:
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
