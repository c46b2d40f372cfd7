"""What is wrong with the models that are set, found before anything is started that would find the same, later."""

import asyncio
from collections.abc import Callable, Iterable

from adapters.llm.factory import OFFLINE_PROVIDER, check_model
from adapters.llm.settings import LLMSettings


async def check_models(models: Iterable[LLMSettings], tell: Callable[[str], None]) -> None:
    """Look at each in turn; nothing is sent to a provider.

    Args:
        models: as they are set.
        tell: hears what takes seconds.

    Raises:
        UserError: no such provider or model, or a key is missing; it says which setting names the model.
    """
    for model in models:
        if model.provider != OFFLINE_PROVIDER:  # whose name is looked up at once
            tell(f"Checking the model {model.told} ...")
        await asyncio.to_thread(check_model, model)
