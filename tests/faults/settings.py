"""What tests change of the policy, to be done sooner."""

from dataclasses import replace

import pytest

from redis_sessions import faults


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what fails at once be tried again for a moment only."""
    monkeypatch.setattr(faults, "LOST", replace(faults.LOST, seconds=0.02))
