"""What an operation does, apart from how: its questions to a model, and what it makes of the answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from domain.llm.calls import Prompt
from domain.llm.conversation import Answer
from domain.operations.answers import Made
from schemas.base import Event
from schemas.results import Result, ResultJudged

T = TypeVar("T")
Outcome = Result | ResultJudged
"""What an operation comes to."""


class Steps(Protocol):
    """What one invocation may do. All its questions share its deadline, its id and its record of LLM calls."""

    async def ask(self, prompt: Prompt, parse: Callable[[str], T]) -> Answer[T]:
        """Ask a model until it gives an answer that `parse` understands. May be called many times in parallel.

        What comes at the last try may be read otherwise: see `domain.llm.parsing.LenientAtLast`.

        Raises:
            InvalidOutputError: no answer could be understood.
            LLMError: no answer came, or none will; the invocation's time is over.
            ProviderUnusableError: nobody gets an answer as things are set; it stops the worker, let it through.
        """
        ...

    async def tell(self, key: str, event: Event) -> None:
        """Publish how far it is, on the topic of its result; `key` as of the result. Return once it is acknowledged.

        Raises:
            BrokerUnavailableError: it was not acknowledged.
        """
        ...

    def room_for(self, prompt: Prompt) -> int:
        """Tokens that may be added to a prompt so that every model that may be asked takes it, see `domain.llm.tokens`.

        0 or less: none takes more. A model so small that cutting the input up for it is not worth while is passed over.
        """
        ...

    def remaining_seconds(self) -> float:
        """What is left of the invocation's time; the provider's outages are not counted."""
        ...

    def joint(self) -> "JointSteps":
        """Steps of another invocation, for several inputs of one tenant, this one among them.

        It has an id of its own, names none of the inputs, and may take half of the time of each.
        """
        ...

    def share(self, joint: "JointSteps") -> None:
        """What was asked jointly was asked for this input, too: its time, its LLM calls and their events."""
        ...


class JointSteps(Steps, Protocol):
    """Steps of an invocation that several inputs share."""

    @property
    def invocation_id(self) -> UUID:
        """What its LLM calls, and the results that come of them, name."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What came of an operation.

    Attributes:
        result: makes the event of it.
        model: the model that answered, see `Answer.model`.
        prompt_version: the version of the prompt that was used.
        invocation_id: of the joint invocation that it came of, see `Steps.joint`; None: of this one.
    """

    result: Callable[[Made], Outcome]
    model: str
    prompt_version: str
    invocation_id: UUID | None = None


class Work(Protocol):
    """One operation on one input."""

    async def run(self, steps: Steps) -> Found:
        """Do it. Raises what `steps.ask` raises, and InputError for an input that cannot be worked on."""
        ...
