"""A session that begins while replies are lost is one record, however often that is tried."""

from typing import Any

import pytest

from redis_sessions import breakers, users
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.faults.proxy import FaultyProxy
from tests.observers import again
from tests.people import credentials, person


@pytest.fixture
def begun(do: Do, proxy: FaultyProxy, stored: Any) -> SessionStore:
    """A login that was tried twice in vain, since no reply to it was heard, and changed."""
    session = SessionStore()
    do(session.update, credentials(person()))
    for _ in range(2):
        do(stored(name="Eve").flush)  # connects, and the server knows the scripts
        proxy.set("reset before")
        with pytest.raises(SessionStoreUnavailable):
            do(session.save)
        proxy.clear()
        breakers.forget()
    do(session.update, {"name": "Ada"})
    return session


def test_a_login_that_is_tried_again_leaves_no_record_that_nobody_has_the_key_of(
    do: Do, begun: SessionStore, redis_client: Any
) -> None:
    assert len(redis_client.keys("session:{*}")) == 1
    do(begun.save)
    assert redis_client.keys("session:{*}") == [record_of(begun).encode()]
    assert do(again(begun).get, "name") == "Ada"
    assert [listed.id for listed in users.sessions_of(person())] == [begun.id]


def test_what_is_begun_after_it_was_stored_ends_nothing(do: Do, begun: SessionStore) -> None:
    do(begun.save)
    first = again(begun)
    do(begun.create)
    assert do(first.get, "name") == "Ada"
    assert do(again(begun).get, "name") == "Ada"
