"""What processes do to a session at the same moment: each prepares, yields, and acts then."""

import contextlib
import time
from collections.abc import Generator

from django.conf import settings

from redis_sessions import users
from redis_sessions.conf import config
from redis_sessions.exceptions import SessionGone, TooManySessions
from redis_sessions.session import SessionStore
from tests.locked import Locked
from tests.people import log_in, person
from tests.processes import Do

SAVES = 250  # of each process that saves many
COUNTS = 40  # of each process that counts up

Steps = Generator[None, None, str]  # ends with the session's key, or with what was read


def saves_many(do: Do, key: str, *, process: int) -> Steps:
    sessions = [SessionStore(key) for _ in range(SAVES)]
    for number, session in enumerate(sessions):
        do(session.update, {f"{process}.{number}": number})
    yield
    for session in sessions:
        do(session.save)
    return key


def saves(do: Do, key: str) -> Steps:
    session = SessionStore(key)
    do(session.update, {"late": 1})
    yield
    do(session.save)
    return key


def saves_what_it_emptied(do: Do, key: str) -> Steps:
    session = SessionStore(key)
    do(session.update, {"basket": []})
    yield
    do(session.save)
    return key


def suppresses(do: Do, key: str) -> Steps:
    session = SessionStore(key)
    do(session.get, "basket")
    yield
    do(session.end_obsolete)
    return key


def suppresses_what_it_emptied(do: Do, key: str) -> Steps:
    session = SessionStore(key)
    do(session.update, {"basket": []})
    yield
    do(session.end_obsolete)
    return key


def ends(do: Do, key: str) -> Steps:
    session = SessionStore(key)
    yield
    do(session.delete)
    return key


def rotates(do: Do, key: str) -> Steps:
    session = SessionStore(key)
    do(session.get, "basket")
    yield
    do(session.cycle_key)
    return session.session_key


def writes_both(do: Do, key: str) -> Steps:
    session = SessionStore(key)
    do(session.update, {"a": 1, "b": 1})
    yield
    do(session.save)
    return key


def reads_both(do: Do, key: str) -> Steps:
    session = SessionStore(key)
    yield
    return f"{do(session.get, 'a')} {do(session.get, 'b')}"


def logs_in_50_times(do: Do, _: str, *, limit: int, over: str) -> Steps:
    settings.REDIS_SESSIONS = {"MAX_SESSIONS_PER_USER": limit, "OVER_LIMIT": over}
    config.cache_clear()
    refused = 0
    yield
    try:
        for _ in range(50):
            try:
                log_in(do)
            except TooManySessions:
                refused += 1
    finally:
        del settings.REDIS_SESSIONS
        config.cache_clear()
    return str(refused)


def saves_each(do: Do, _: str, *, keys: list[str]) -> Steps:
    sessions = [SessionStore(key) for key in keys]
    for number, session in enumerate(sessions):
        do(session.update, {"late": number})
    saved = 0
    yield
    for session in sessions:
        with contextlib.suppress(SessionGone):
            do(session.save)
            saved += 1
    return str(saved)


def ends_all_of_the_user(_: Do, __: str) -> Steps:
    yield
    return str(len(users.end_sessions(person())))


def counts_up(do: Do, key: str) -> Steps:
    sessions = [SessionStore(key) for _ in range(COUNTS)]
    for session in sessions:
        do(session.get, "n")
    yield
    for session in sessions:
        do(Locked(session, blocking_timeout=60).run, lambda one=session: _add(one))
    return key


def _add(session: SessionStore) -> None:
    n = session["n"]
    time.sleep(0.001)
    session["n"] = n + 1
