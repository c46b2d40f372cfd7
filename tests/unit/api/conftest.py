"""What the tests of the server share."""

import pytest

from tests.unit.api.serving import SOON, served


@pytest.fixture
async def port():
    async with served() as (_, port):
        yield port


@pytest.fixture
def impatient(monkeypatch):
    """A server that waits for a request for a moment only."""
    monkeypatch.setattr("api.connections.REQUEST_SECONDS", SOON)
