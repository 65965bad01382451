"""The session store, each behaviour through both halves, against the real server."""

import pytest
from django.contrib.sessions.backends.base import CreateError, UpdateError

from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of


def test_what_was_saved_is_loaded_by_another_object(do: Do, stored) -> None:
    session = stored(name="Ada", basket={"tea": [1, 2]}, n=1, yes=True, nothing=None, empty="")
    other = SessionStore(session.session_key)
    assert dict(do(other.items)) == {
        "name": "Ada",
        "basket": {"tea": [1, 2]},
        "n": 1,
        "yes": True,
        "nothing": None,
        "empty": "",
    }


def test_two_objects_that_change_different_keys_both_win(do: Do, stored) -> None:
    session = stored(a=0, b=0)
    one, two = SessionStore(session.session_key), SessionStore(session.session_key)
    do(one.update, {"a": 1})
    do(two.update, {"b": 2})
    do(one.save)
    do(two.save)
    assert dict(do(SessionStore(session.session_key).items)) == {"a": 1, "b": 2}
