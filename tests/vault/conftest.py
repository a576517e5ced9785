from collections.abc import AsyncIterator

import pytest

from engine.testing import LocalEgress


@pytest.fixture
async def local_egress(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalEgress]:
    """Runs reach this machine only, whatever name they call it by."""
    local = LocalEgress()
    monkeypatch.setattr("agentflow_app.executions.runtime.egress", lambda: local)
    yield local
    await local.aclose()
