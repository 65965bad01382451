"""One session in several processes at the same moment: nothing is lost, and nothing revived."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from redis_sessions.exceptions import SessionRotated
from redis_sessions.session import SessionStore
from tests import acts
from tests.caches import patient_caches
from tests.processes import Processes

ROUNDS = 60


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


def _sessions(**values: Any) -> list[SessionStore]:
    """Store sessions with the given values, one for each round."""
    sessions = [SessionStore() for _ in range(ROUNDS)]
    for session in sessions:
        session.update(values)
        session.save()
    return sessions


def _keys(sessions: list[SessionStore]) -> list[str]:
    return [session.session_key for session in sessions]


def test_of_1000_saves_of_different_keys_by_four_processes_none_is_lost(
    processes: Processes, half: str
) -> None:
    keys = _keys(_sessions(name="Ada"))[:1]
    saving = [partial(acts.saves_many, process=process) for process in range(4)]
    assert processes.at_once(half, keys, *saving) == [tuple(keys * 5)]
    wanted = {f"{process}.{number}": number for process in range(4) for number in range(acts.SAVES)}
    assert dict(SessionStore(keys[0]).items()) == {"name": "Ada"} | wanted


def test_a_save_never_revives_a_session_that_ended(processes: Processes, half: str) -> None:
    keys = _keys(_sessions(name="Ada"))
    for key, saved, _ in processes.at_once(half, keys, acts.saves, acts.ends):
        assert saved in {key, "SessionGone"}
        assert not SessionStore().exists(key)


def test_a_save_that_was_acknowledged_survives_a_rotation(processes: Processes, half: str) -> None:
    keys = _keys(_sessions(name="Ada"))
    for key, saved, fresh in processes.at_once(half, keys, acts.saves, acts.rotates):
        assert saved in {key, "SessionRotated"}
        assert SessionStore(fresh).get("late") == (1 if saved == key else None)


def test_of_two_rotations_exactly_one_wins(processes: Processes, half: str) -> None:
    sessions = _sessions(name="Ada")
    results = processes.at_once(half, _keys(sessions), acts.rotates, acts.rotates)
    for session, (_, *result) in zip(sessions, results, strict=True):
        assert result.count("SessionRotated") == 1
        winner = SessionStore(max(result, key=len))
        assert winner.id == session.id
        assert winner["name"] == "Ada"
        session["name"] = "late"
        with pytest.raises(SessionRotated):
            session.save()


def test_a_rotation_never_revives_a_session_that_ended(processes: Processes, half: str) -> None:
    keys = _keys(_sessions(_auth_user_id="1"))
    for key, fresh, _ in processes.at_once(half, keys, acts.rotates, acts.ends):
        if fresh == "SessionGone":
            assert not SessionStore().exists(key)
        else:  # the end came later, with the old secret
            assert SessionStore(fresh)["_auth_user_id"] == "1"


@pytest.mark.parametrize(
    "act",
    [acts.suppresses, acts.suppresses_what_it_emptied, acts.saves_what_it_emptied],
    ids=lambda a: a.__name__,
)
def test_an_acknowledged_write_survives_the_end_of_a_session_that_held_nothing(
    processes: Processes, half: str, act: Any
) -> None:
    keys = _keys(_sessions(basket=[] if act is acts.suppresses else ["tea"]))
    for key, saved, _ in processes.at_once(half, keys, acts.saves, act):
        assert saved in {key, "SessionGone"}
        assert SessionStore(key).get("late") == (1 if saved == key else None)
        assert SessionStore().exists(key) is (saved == key)


def test_all_of_what_one_save_writes_is_seen_at_once_or_nothing(
    processes: Processes, half: str
) -> None:
    keys = _keys(_sessions(name="Ada", a=0, b=0))
    done = processes.at_once(half, keys, acts.writes_both, acts.reads_both)
    assert {read for _, _, read in done} <= {"0 0", "1 1"}
