from collections.abc import AsyncIterator

import pytest

from engine.testing import FakeClock, LocalEgress


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def egress() -> AsyncIterator[LocalEgress]:
    local = LocalEgress()
    yield local
    await local.aclose()
