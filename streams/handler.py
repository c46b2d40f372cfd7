"""What a worker needs of the part that answers inputs."""

from contextlib import AbstractContextManager
from typing import Protocol

from domain.delivery.messages import InboundMessage


class Handler(Protocol):
    """Answers inputs, many at a time."""

    async def handle(self, message: InboundMessage) -> int | None:
        """Return when the outcome of the input is durable, so that its offset may be committed.

        Returns:
            The highest offset of the inputs of this partition that share the outcome, and are to be committed together;
            None: there are no others.

        Raises:
            Exception: whatever must stop the worker; nothing else may come out of here.
        """
        ...

    async def ready_for_more(self) -> None:
        """Return when another input may be taken: at once, or when a provider that is down answers again."""
        ...

    def reading_held(self) -> AbstractContextManager[None]:
        """Entered while no input is taken though there is one; never twice at a time."""
        ...
