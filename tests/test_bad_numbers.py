"""Numbers in Redis that the package did not write, and sessions forged out of one's own."""

import contextlib
import itertools

import pytest

from redis_sessions import users
from redis_sessions.exceptions import SessionGone
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.observers import again
from tests.people import index_of, log_in, person

NUMBERS = ["soon", "5.5", "nan", "-inf", "9" * 18]
FIELDS = ["\0c", "\0v", "\0x", "\0i"]
no_number = pytest.mark.parametrize("number", NUMBERS)


@pytest.fixture(params=[False, True], ids=["", "rolling"])
def rolling(request: pytest.FixtureRequest, settings) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": request.param}


@pytest.fixture
def session(stored) -> SessionStore:
    return again(stored(name="Ada"))


@pytest.mark.parametrize("tampering", [*itertools.product(FIELDS, NUMBERS)], ids=repr)
@pytest.mark.parametrize("act", ["save", "cycle_key", "flush"])
@pytest.mark.parametrize("read", [True, False], ids=["read before", "read after"])
@pytest.mark.usefixtures("rolling")
def test_numbers_that_somebody_put_into_a_record_are_no_fault_of_the_server(
    do: Do, session: SessionStore, redis_client, tampering: tuple[str, str], act: str, read: bool
) -> None:
    """They may end the session, and no more."""
    if read:
        do(session.items)
    redis_client.hset(record_of(session), *tampering)
    do(session.update, {"name": "Eve"})
    with contextlib.suppress(SessionGone):
        do(getattr(session, act))


@no_number
def test_the_end_of_a_session_that_was_rotated_takes_any_expiry_for_the_index(
    do: Do, redis_client, number: str
) -> None:
    session = log_in(do)
    do(again(session).cycle_key)
    redis_client.hset(record_of(session), "\0x", number)
    do(session.flush)
    redis_client.hdel(record_of(session), "\0x")
    do(again(session).flush)


@pytest.mark.parametrize("score", ["-inf", "inf", 1e300, 4e9 + 0.5])
def test_a_score_that_somebody_put_into_an_index_keeps_nobody_from_logging_in(
    do: Do, redis_client, score: float
) -> None:
    redis_client.zadd(index_of(), {"f" * 14: score})
    session = log_in(do)
    assert do(again(session).get, "_auth_user_id") == "7"
    do(session.flush)
    assert do(log_in(do).get, "_auth_user_id") == "7"


def test_a_text_of_ones_own_session_makes_no_session_of_another_user(do: Do, redis_client) -> None:
    """What is signed is id, length of the name, name, payload: an id that is none shifts them."""
    field, user = b"_auth_user_id", person()
    inner = len(field).to_bytes(4) + field + b"7"
    mine = SessionStore()
    do(mine.update, {"search": (b"x" + inner).decode()})
    do(mine.save)
    signature = redis_client.hget(record_of(mine), "search")[:12]
    forged_id = mine.id + "\0\0\0\x06searchx"
    far = "4000000000"
    planted = {"\0k": "0" * 16, "\0c": "1", "\0v": "1", "\0x": far, field: signature + b"7"}
    redis_client.hset(f"session:{{{forged_id}}}", mapping=planted)
    redis_client.zadd(index_of(), {forged_id: far})
    assert users.sessions_of(user) == []
    assert users.count(user) == 0
    assert users.end_sessions(user) == []
