"""Engines for a test, settled when it is over."""

import pytest

from tests.unit.streams.support import Rig


@pytest.fixture
async def rig():
    rigs = []

    def make(**options):
        rigs.append(Rig(**options))
        return rigs[-1]

    yield make
    for made in rigs:
        for consuming in made.consuming:
            consuming.cancel()
        await made.engine.settle(0)
