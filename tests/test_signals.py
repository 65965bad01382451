"""Signals: what happened to a session, told once, to sync and async receivers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY

from redis_sessions import users
from redis_sessions.reasons import Reason
from redis_sessions.session import SessionStore
from redis_sessions.signals import session_created, session_ended, session_rotated
from tests.conftest import Do
from tests.observers import again
from tests.people import credentials, log_in, person

NAMES = {session_created: "created", session_rotated: "rotated", session_ended: "ended"}

Told = list[tuple[Any, ...]]


@pytest.fixture(params=["sync receiver", "async receiver"])
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    """What receivers were told, in order."""
    heard: Told = []

    def receive(signal: Any, sender: Any, session_id: str, user_id: Any, **more: Any) -> None:
        heard.append((NAMES[signal], sender, session_id, user_id, more.get("reason")))

    async def areceive(**told: Any) -> None:
        receive(**told)

    receiver: Callable[..., Any] = receive if request.param == "sync receiver" else areceive
    for signal in NAMES:
        signal.connect(receiver)
    yield heard
    for signal in NAMES:
        signal.disconnect(receiver)


def test_a_session_that_begins_is_told(do: Do, told: Told) -> None:
    session = SessionStore()
    do(session.update, {"n": 1})
    do(session.save)
    do(session.save)
    assert told == [("created", SessionStore, session.id, None, None)]


def test_a_login_is_a_rotation_or_a_beginning(do: Do, stored, told: Told) -> None:
    session = stored(basket=1)
    told.clear()
    do(session.cycle_key)
    do(session.update, credentials(person()))
    do(session.save)
    assert told == [("rotated", SessionStore, session.id, None, Reason.LOGIN)]


def test_a_rotation_of_who_is_logged_in_is_a_renewal(do: Do, told: Told) -> None:
    session = log_in(do)
    told.clear()
    do(session.cycle_key)
    assert told == [("rotated", SessionStore, session.id, "7", Reason.RENEWED)]


def test_a_logout_is_told_once_with_the_user(do: Do, told: Told) -> None:
    session = again(log_in(do))
    assert do(session.get, SESSION_KEY) == "7"
    name = session.id
    told.clear()
    do(again(session).flush)
    do(session.flush)
    assert told == [("ended", SessionStore, name, "7", Reason.LOGOUT)]


def test_a_session_that_was_emptied_is_told(do: Do, stored, told: Told) -> None:
    session = again(stored(n=1))
    told.clear()
    do(session.pop, "n")
    do(session.save)
    assert told == [("ended", SessionStore, session.id, None, Reason.EMPTIED)]


def test_a_session_that_held_nothing_is_told(do: Do, told: Told) -> None:
    session = SessionStore()
    do(session.create)
    name = session.id
    told.clear()
    do(session.end_obsolete)
    assert told == [("ended", SessionStore, name, None, Reason.EMPTIED)]


def test_sessions_that_are_ended_by_their_user_are_told(do: Do, told: Told) -> None:
    sessions = [log_in(do), log_in(do)]
    told.clear()
    users.end_session(person(), sessions[0].id)
    users.end_session(person(), sessions[0].id)
    users.end_sessions(person())
    assert told == [("ended", None, one.id, "7", Reason.REVOKED) for one in sessions]


def test_a_session_that_gives_way_is_told(do: Do, settings, told: Told) -> None:
    settings.REDIS_SESSIONS = {"MAX_SESSIONS_PER_USER": 1}
    session = log_in(do)
    told.clear()
    log_in(do)
    assert ("ended", None, session.id, "7", Reason.REPLACED) in told


def test_the_end_of_what_is_not_there_is_told_to_nobody(do: Do, told: Told) -> None:
    do(SessionStore("0123456789" * 4).flush)
    do(SessionStore().flush)
    assert told == []


def test_a_receiver_that_raises_does_no_harm_and_is_logged(do: Do, stored, caplog) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("a receiver's own")

    session_created.connect(fail)
    try:
        session = stored(n=1)
    finally:
        session_created.disconnect(fail)
    assert do(again(session).get, "n") == 1
    assert "a receiver's own" in caplog.text
