"""The one place where LiteLLM is imported, so that it is always set up the same way.

The import takes seconds: it happens when a model is opened, never before.
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

_SILENT = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai", "httpx", "httpcore")
_open_models: list[object] = []


@cache
def litellm() -> Any:
    """The module, imported at the first call (about 3 s) and made silent.

    LiteLLM reads `LITELLM_LOCAL_MODEL_COST_MAP` while it is imported and has no parameter for it: without it, the
    import downloads a price list and hangs where there is no network. So it is written here, right before the
    import, and nowhere else; a value that the operator has set stands. Everything else that we want of LiteLLM is
    given as a parameter.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm as module

    module.suppress_debug_info = True
    module.turn_off_message_logging = True
    module.redact_messages_in_exceptions = True
    module.telemetry = False
    module.drop_params = False  # given with each call: the global one makes LiteLLM repeat a 422 by itself
    for name in _SILENT:
        _mute(logging.getLogger(name))
    return module


@asynccontextmanager
async def closing_clients(litellm: Any) -> AsyncIterator[None]:
    """Close what LiteLLM keeps open (clients in a cache of the process, a logging task) when the last user is done."""
    user = object()
    _open_models.append(user)
    try:
        yield
    finally:
        _open_models.remove(user)
        if not _open_models:
            await _close(litellm)


async def _close(litellm: Any) -> None:
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    await litellm.close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()
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
