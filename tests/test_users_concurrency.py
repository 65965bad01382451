"""One user's sessions in several processes at the same moment: limits are exact, ends are final."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import redis

from redis_sessions import users
from tests import acts
from tests.caches import patient_caches
from tests.people import listed, log_in, person
from tests.processes import Processes

LIMIT = 3


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes(4) as running:
        yield running


@pytest.fixture(autouse=True)
def patience(settings: Any) -> None:
    settings.CACHES = patient_caches()


@pytest.fixture(params=["sync", "async"])
def half(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("over", ["replace", "refuse"])
def test_of_200_logins_by_four_processes_a_limit_of_3_leaves_exactly_3(
    processes: Processes, half: str, redis_client: redis.Redis, over: str
) -> None:
    logging_in = partial(acts.logs_in_50_times, limit=LIMIT, over=over)
    outcomes = processes.at_once(half, ["of nobody"], *[logging_in] * 4)
    assert len(outcomes[0]) == 5
    left = users.sessions_of(person())
    assert len(left) == LIMIT
    assert listed(redis_client) == {info.id for info in left}


def test_of_200_saves_under_way_none_revives_what_was_ended(
    processes: Processes, half: str, redis_client: redis.Redis
) -> None:
    sessions = [log_in(_sync) for _ in range(200)]
    keys = [session.session_key for session in sessions]
    saving = [partial(acts.saves_each, keys=keys[n::3]) for n in range(3)]
    processes.at_once(half, [keys[0]], *saving, acts.ends_all_of_the_user)
    assert users.sessions_of(person()) == []
    assert [*redis_client.scan_iter("session:{*")] == []


def _sync(method: Any, *args: Any) -> Any:
    return method(*args)
