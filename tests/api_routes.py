"""The addresses that the API answers at, asked of the application itself."""

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts


def paths_of(app: FastAPI) -> list[str]:
    """Every path, those that its description leaves out as well."""
    found = sorted({str(context.path) for context in iter_route_contexts(app.routes)})
    assert len(found) >= 5, found
    return found
