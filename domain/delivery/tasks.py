"""Waiting for what others have under way."""

import asyncio
from collections.abc import Sequence

from domain.errors import BrokerUnavailableError


async def acknowledged(receipts: Sequence[asyncio.Future[None]]) -> None:
    """Return once all receipts have come. They are not ours: they go on when we are cancelled.

    Raises:
        BrokerUnavailableError: one did not.
    """
    these = tuple(receipts)  # another operation of the input may add to the list while we wait
    if not these:
        return
    await asyncio.wait(these)
    for receipt in these:
        if receipt.cancelled():
            raise BrokerUnavailableError("The event of an LLM call was dropped before Kafka acknowledged it.")
        receipt.result()
