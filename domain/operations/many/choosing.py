"""Whether a request is answered in one prompt or in chunks."""

from collections.abc import Callable
from typing import TypeVar

from domain.errors import TooLargeError
from domain.llm.calls import Prompt
from domain.llm.conversation import Answer
from domain.operations.many.chunks import fits
from domain.operations.many.limits import Limits
from domain.operations.work import Steps
from schemas.requests import AnalysisRequested, SummaryRequested

T = TypeVar("T")


def in_one_prompt(
    request: AnalysisRequested | SummaryRequested,
    limits: Limits,
    steps: Steps,
    bare: Prompt,
    most_records: int | None = None,
) -> bool:
    """Whether the request's records go into one prompt: as its mode says, or where they fit.

    Args:
        request: the whole request.
        limits: how much fits.
        steps: know what the models take.
        bare: the prompt without records.
        most_records: how many records fit at most, whatever their length.

    Raises:
        TooLargeError: it asks for one prompt, and they do not fit.
    """
    if request.mode == "hierarchical":
        return False
    # Who asks for one prompt gets it of the one model that takes it: `ask_once` finds out.
    asked_for = request.mode == "single_pass"
    budget = limits.token_budget if asked_for else limits.budget(steps.room_for(bare))
    if (most_records is None or len(request.records) <= most_records) and fits(request.records, budget):
        return True
    if asked_for:
        most = "" if most_records is None else f", or {most_records} records,"
        raise _too_large(request, f"the {limits.token_budget} tokens{most} that one prompt may take")
    return False


async def ask_once(
    request: AnalysisRequested | SummaryRequested, steps: Steps, prompt: Prompt, parse: Callable[[str], T]
) -> Answer[T]:
    """Ask about all records at once. Raises what `steps.ask` raises."""
    try:
        return await steps.ask(prompt, parse)
    except TooLargeError as error:
        raise _too_large(request, "the model takes at once (LLM_CONTEXT_TOKENS)") from error


def _too_large(request: AnalysisRequested | SummaryRequested, most: str) -> TooLargeError:
    return TooLargeError(
        f"The request asks for a single pass, but its {len(request.records)} records are more than {most}: ask with "
        "the mode auto or hierarchical, or with fewer records."
    )
