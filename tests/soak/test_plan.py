"""The plan of faults."""

from itertools import pairwise

import pytest

from .plan import LENGTHS, OF_A_WORKER, STEADY, plan
from .weather import Weather

MINUTES = 5 * 60


def test_a_seed_makes_the_same_plan_each_time() -> None:
    assert plan(1, MINUTES, 4) == plan(1, MINUTES, 4)
    assert plan(1, MINUTES, 4) != plan(2, MINUTES, 4)


def test_every_fault_comes_about() -> None:
    assert {fault.name for fault in plan(1, MINUTES, 4)} == set(LENGTHS)


def test_faults_come_one_after_the_other_and_end_in_time() -> None:
    faults = plan(1, MINUTES, 4)
    for one, next_one in pairwise(faults):
        assert one.at + one.seconds < next_one.at
    assert faults[-1].at + faults[-1].seconds <= MINUTES


def test_the_workers_that_are_measured_are_never_restarted() -> None:
    restarts = [fault for fault in plan(1, MINUTES, 4) if fault.name in OF_A_WORKER]
    assert restarts
    assert all(fault.worker >= STEADY for fault in restarts)


@pytest.mark.parametrize("name", sorted(LENGTHS))
def test_every_fault_can_be_had(name: str) -> None:
    assert Weather.knows(name)
