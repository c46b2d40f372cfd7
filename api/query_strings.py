"""What a query string may hold: nothing that would be passed over in silence, and nothing twice that counts once."""

from collections.abc import Iterable, Sequence

from fastapi import Request

from api.errors import APIError


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(f"`{name}`" for name in names)


def refuse_unknown(request: Request, allowed: Sequence[str], once: Sequence[str] | None = None) -> None:
    """See that nothing else is asked than what is `allowed`, and what may be given `once` (None: all) not twice.

    Raises:
        APIError: 422 `unknown_parameter`, `repeated_parameter`.
    """
    if not set(request.query_params) <= set(allowed):
        said = f"There is a parameter that is not known; known are {listed(allowed)}."
        raise APIError(422, "unknown_parameter", said)
    # Which of two is meant is never guessed.
    for name in allowed if once is None else once:
        if len(request.query_params.getlist(name)) > 1:
            raise APIError(422, "repeated_parameter", f"`{name}` is given more than once; give it once.")
