"""The soak, short. ``python -m tests.soak`` has it go on for minutes."""

import subprocess
import sys
from pathlib import Path

import pytest

from .model import Kind

ROOT = Path(__file__).resolve().parents[2]
BOUND = 300  # seconds, for a busy machine


@pytest.mark.slow
def test_a_site_under_faults_loses_nothing_and_lets_nobody_in(
    request: pytest.FixtureRequest,
) -> None:
    server = request.config.getoption("server")
    words = ("--minutes", "0.15", "--seed", "1", "--visitors", "4", "--server", server)
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", *words],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in Kind:
        assert f"  {kind}: 0\n" in done.stdout
    assert "writes without an answer" in done.stdout, "no fault was met"
