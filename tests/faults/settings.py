"""What tests change of the policy, to be done sooner."""

from typing import Any

import pytest

from redis_sessions import faults
from tests.caches import caches


def impatient(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.02) -> None:
    """Have what passes be tried again for so long, by default for a moment only."""
    for fault in vars(faults).values():
        if isinstance(fault, faults.Fault) and fault.seconds:
            monkeypatch.setattr(fault, "seconds", seconds)


def hasty_caches(url: str) -> dict[str, Any]:
    """Return CACHES with a fifth of the timeouts that are the default."""
    timeouts = {"SOCKET_TIMEOUT": 0.2, "SOCKET_CONNECT_TIMEOUT": 0.2}
    return caches(url, **timeouts, CONNECTION_POOL_KWARGS={"timeout": 0.16})
