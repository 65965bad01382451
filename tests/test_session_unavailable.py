"""A server that cannot be reached is an error, never an empty session."""

from collections.abc import Callable, Iterator

import pytest

from redis_sessions import connections, tokens
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests.conftest import Do
from tests.faults.settings import impatient
from tests.observers import again
from tests.servers import Server


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)


@pytest.fixture
def mortal(settings, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of this test's own, where the sessions are."""
    with_options = Server(request.config.getoption("server")).start()
    settings.CACHES = settings.CACHES | {
        "sessions": settings.CACHES["sessions"] | {"LOCATION": with_options.url}
    }
    yield with_options
    connections.close()
    with_options.stop()


@pytest.fixture
def session(mortal: Server, do: Do, stored) -> SessionStore:
    """A session that was loaded and changed before its server was lost."""
    session = again(stored(name="Ada"))
    do(session.update, {"name": "Eve"})
    mortal.kill()
    return session


NEEDS_THE_SERVER: dict[str, Callable[[Do, SessionStore], object]] = {
    "save": lambda do, session: do(session.save),
    "create": lambda do, session: do(session.create),
    "must_create": lambda do, session: do(session.save, must_create=True),
    "cycle_key": lambda do, session: do(session.cycle_key),
    "flush": lambda do, session: do(session.flush),
    "delete": lambda do, session: do(session.delete),
    "exists": lambda do, session: do(session.exists, session.session_key),
    "end_obsolete": lambda do, session: (session.clear(), do(session.end_obsolete)),
    "load": lambda do, session: do(session.load),
}


@pytest.mark.parametrize("name", NEEDS_THE_SERVER)
def test_what_needs_the_server_says_that_it_is_unavailable(do: Do, session, name: str) -> None:
    key = session.session_key
    with pytest.raises(SessionStoreUnavailable, match=r"CACHES\['sessions'\] failed"):
        NEEDS_THE_SERVER[name](do, session)
    assert session.unavailable
    assert session.session_key == key


@pytest.mark.parametrize(
    "read",
    [
        lambda do, session: do(session.get, "name", "a visitor"),
        lambda do, session: do(session.items),
        lambda do, session: do(session.has_key, "name"),
        lambda do, session: do(session.setdefault, "name", "a visitor"),
        lambda do, session: do(session.set_expiry, 60),
    ],
)
def test_a_session_that_cannot_be_read_is_not_an_empty_one(do: Do, session, read) -> None:
    fresh = again(session)
    for _ in range(2):
        with pytest.raises(SessionStoreUnavailable):
            read(do, fresh)
    assert fresh.session_key == session.session_key
    assert not fresh.is_empty()


def test_an_unknown_key_is_kept_while_nobody_can_tell(do: Do, session) -> None:
    key = str(tokens.make_key())
    unknown = SessionStore(key)
    with pytest.raises(SessionStoreUnavailable):
        do(unknown.get, "name")
    assert unknown.session_key == key


def test_a_malformed_key_needs_no_server(do: Do, session) -> None:
    assert dict(do(SessionStore("no key of ours").items)) == {}


def test_changes_are_kept_and_saved_when_the_server_is_back(do: Do, session, mortal) -> None:
    with pytest.raises(SessionStoreUnavailable):
        do(session.save)
    mortal.start()
    assert do(session.get, "name") == "Eve"
    do(session.create)
    assert do(again(session).get, "name") == "Eve"


def test_a_new_session_that_could_not_be_created_has_no_key(do: Do, session) -> None:
    fresh = SessionStore()
    do(fresh.update, {"name": "Ada"})
    with pytest.raises(SessionStoreUnavailable):
        do(fresh.save)
    assert fresh.session_key is None
    assert fresh.modified
