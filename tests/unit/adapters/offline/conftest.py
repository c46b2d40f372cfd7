import pytest

from adapters.offline.engine import Engine, shared_engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The process's own engine: the encoder is loaded once."""
    return shared_engine()
