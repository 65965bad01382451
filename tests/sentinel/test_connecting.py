"""Who is asked for the master, and what is made of the answer."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.core.cache import caches as django_caches
from redis import exceptions as errors

from redis_sessions import connections
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.sentinels import Service
from redis_sessions.session import SessionStore
from tests.conftest import Do, record_of
from tests.documents import DOCS, acl
from tests.sentinel.liars import bad
from tests.sentinels import NAME, Group, Sentinel
from tests.servers import Server, free_port

ASKING = "+sentinel|get-master-addr-by-name"
DEPLOYMENT = DOCS / "deployment.rst"
SECRET = {"PASSWORD": "of the servers", "SENTINEL_KWARGS": {"password": "of the sentinels"}}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    connections.close()


def save(do: Do) -> str:
    """Store a session, read it, and return the key of its record."""
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    do(session.save)
    assert do(SessionStore(session.session_key).get, "name") == "Ada"
    return record_of(session)


def holds(server: Server, record: str) -> bool:
    with server.client() as client:
        return client.exists(record) == 1


def replica(group: Group) -> Server:
    master = group.master()
    return next(server for server in group.servers if server is not master)


def test_sessions_are_on_the_master_that_the_sentinels_name(do: Do, group: Group) -> None:
    assert holds(group.master(), save(do))


def test_the_same_entry_serves_django_redis(do: Do, group: Group) -> None:
    record = save(do)
    django_caches["sessions"].set("a", 1)
    assert django_caches["sessions"].get("a") == 1
    with group.master().client() as client:
        assert {record.encode(), b":1:a"} <= set(client.keys())


def test_the_database_and_what_the_url_is_asked_for_count(do: Do, group: Group, settings) -> None:
    settings.CACHES["sessions"]["LOCATION"] = [f"redis://{NAME}/3?is_master=1", f"redis://{NAME}/3"]
    record = save(do)
    with group.master().client() as client:
        assert not client.exists(record)
        client.select(3)
        assert client.exists(record)


def test_sentinels_that_are_dead_or_silent_are_passed_over(do: Do, group: Group, settings) -> None:
    with bad() as silent:
        dead = ("127.0.0.1", free_port())
        settings.CACHES = group.caches(SENTINELS=[dead, silent.address, *group.addresses])
        assert holds(group.master(), save(do))


REFUSALS = {
    "NOPERM": b"-NOPERM User default has no permissions to run the 'sentinel' command\r\n",
    "no sentinel": b"-ERR unknown command 'SENTINEL'\r\n",
    "no Redis": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_sentinels_that_refuse_are_passed_over(
    do: Do, group: Group, settings, refusal: str
) -> None:
    with bad() as refusing:
        refusing.reply = REFUSALS[refusal]
        settings.CACHES = group.caches(SENTINELS=[refusing.address, *group.addresses])
        assert holds(group.master(), save(do))
        assert refusing.visits == 1


def test_of_sentinels_that_are_of_no_use_each_is_told_and_what_to_look_at(
    do: Do, group: Group, settings
) -> None:
    with bad() as silent, bad() as refusing:
        refusing.reply = REFUSALS["NOPERM"]
        addresses = [silent.address, refusing.address, group.addresses[0]]
        settings.CACHES = group.caches(SENTINELS=addresses)
        settings.CACHES["sessions"]["LOCATION"] = "redis://elsewhere/0"
        with pytest.raises(SessionStoreUnavailable) as caught:
            do(SessionStore().save)
    for (host, port), told in zip(
        addresses, ("Timeout", "no permissions", "knows none"), strict=True
    ):
        assert re.search(rf"{host}:{port}: [^;]*{told}", str(caught.value), re.IGNORECASE)
    assert "that SENTINELS" in str(caught.value)


def test_a_sentinel_that_was_silent_is_asked_last_from_then_on(
    do: Do, group: Group, settings
) -> None:
    with bad() as silent:
        settings.CACHES = group.caches(SENTINELS=[silent.address, *group.addresses])
        save(do)
        assert silent.visits == 1
        connections.close()
        do(SessionStore().save)
        assert silent.visits == 1


def test_silent_sentinels_are_not_asked_for_long() -> None:
    with ExitStack() as last:
        silent = [last.enter_context(bad()) for _ in range(8)]
        service = Service(NAME, [one.address for one in silent], {})
        with pytest.raises(errors.ConnectionError, match="No sentinel names"):
            service.master()
        assert 1 <= sum(one.visits for one in silent) <= 4


def test_many_silent_sentinels_are_not_waited_for_again(group: Group) -> None:
    with ExitStack() as last:
        silent = [last.enter_context(bad()) for _ in range(4)]
        service = Service(NAME, [*(one.address for one in silent), *group.addresses], {})
        with suppress(errors.ConnectionError):  # it gives up before it has asked them all
            service.master()
        assert service.master()[1] == group.master().port
        visits = [one.visits for one in silent]
        assert service.master()[1] == group.master().port
        assert [one.visits for one in silent] == visits


def test_a_sentinel_that_names_a_replica_is_not_believed(do: Do, group: Group, settings) -> None:
    with bad(replica(group).port) as liar:
        settings.CACHES = group.caches(SENTINELS=[liar.address, *group.addresses])
        assert holds(group.master(), save(do))
        assert liar.visits == 1


def test_without_a_sentinel_that_answers_the_store_is_unavailable_in_time(
    do: Do, group: Group, settings
) -> None:
    with bad() as one, bad() as another:
        settings.CACHES = group.caches(SENTINELS=[one.address, another.address])
        started = time.monotonic()
        with pytest.raises(
            SessionStoreUnavailable, match=f"No sentinel names a master of '{NAME}'"
        ):
            do(SessionStore().save)
        assert time.monotonic() - started < 3


def test_a_service_that_no_sentinel_knows_is_named(do: Do, group: Group, settings) -> None:
    settings.CACHES["sessions"]["LOCATION"] = "redis://elsewhere/0"
    with pytest.raises(SessionStoreUnavailable, match="'elsewhere'"):
        do(SessionStore().save)


@pytest.fixture
def guarded(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """The address of a sentinel that asks for a password, as its server does."""
    name = request.config.getoption("server")
    server = Server(name, None, "--requirepass", SECRET["PASSWORD"]).start()
    sentinel = Sentinel(name).watch(
        server.port,
        1,
        f'requirepass "{SECRET["SENTINEL_KWARGS"]["password"]}"',
        pairs=[f'auth-pass {NAME} "{SECRET["PASSWORD"]}"'],
    )
    sentinel.start()
    yield "127.0.0.1", sentinel.port
    connections.close()
    sentinel.stop()
    server.stop()


def test_sentinels_and_servers_have_passwords_of_their_own(
    do: Do, guarded: tuple[str, int], group: Group, settings
) -> None:
    settings.CACHES = group.caches(SENTINELS=[guarded], **SECRET)
    save(do)


@pytest.mark.parametrize("lacking", SECRET)
def test_a_password_that_is_lacking_is_told(
    do: Do, guarded: tuple[str, int], group: Group, settings, lacking: str
) -> None:
    given: dict[str, Any] = {name: value for name, value in SECRET.items() if name != lacking}
    settings.CACHES = group.caches(SENTINELS=[guarded], **given)
    with pytest.raises(SessionStoreUnavailable, match=r"[Aa]uthentication required"):
        do(SessionStore().save)


@pytest.fixture
def _restricted(group: Group) -> Iterator[None]:
    """A user with the rights that the documentation names, on the servers and on the sentinels."""
    for server in group.servers:
        with server.client() as client:
            client.execute_command(*acl())
    for sentinel in group.sentinels:
        with sentinel.client() as client:
            client.acl_setuser("web", True, passwords="+secret", commands=[ASKING])
    yield
    for server in [*group.servers, *group.sentinels]:
        with server.client() as client:
            client.acl_deluser("web")


@pytest.mark.usefixtures("_restricted")
def test_the_rights_that_are_documented_suffice(do: Do, group: Group, settings) -> None:
    user = {"username": "web", "password": "secret"}
    settings.CACHES = group.caches(USERNAME="web", PASSWORD="secret", SENTINEL_KWARGS=user)
    settings.REDIS_SESSIONS = {"WAIT_REPLICAS": 1}
    assert holds(group.master(), save(do))
    assert ASKING in DEPLOYMENT.read_text("utf-8")
