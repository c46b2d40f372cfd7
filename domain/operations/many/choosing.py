"""Whether a request is answered in one prompt or in chunks."""

from domain.errors import TooLargeError
from domain.operations.many.chunks import fits
from domain.operations.many.limits import Limits
from schemas.requests import AnalysisRequested, SummaryRequested


def in_one_prompt(
    request: AnalysisRequested | SummaryRequested, limits: Limits, most_records: int | None = None
) -> bool:
    """Whether the request's records go into one prompt: as its mode says, or where they fit.

    Args:
        request: the whole request.
        limits: how much fits.
        most_records: how many records fit at most, whatever their length.

    Raises:
        TooLargeError: it asks for one prompt, and they do not fit.
    """
    if request.mode == "hierarchical":
        return False
    count = len(request.records)
    if (most_records is None or count <= most_records) and fits(request.records, limits.characters):
        return True
    if request.mode == "single_pass":
        most = "" if most_records is None else f" or {most_records} records"
        raise TooLargeError(
            f"The request asks for a single pass, but its {count} records are more than the {limits.token_budget} "
            f"tokens{most} that one prompt takes: ask with the mode auto or hierarchical, or with fewer records."
        )
    return False
