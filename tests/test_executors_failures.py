"""A server that cannot be reached or will not work: SessionStoreUnavailable, soon and telling."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from redis_sessions import connections
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.conftest import Do
from tests.servers import Server, free_port

SECRET = "hunter2hunter2"
ONE = {"max_connections": 1, "timeout": 0.05}
UNKNOWN = "a" * 40  # a session key that is well-formed


@contextlib.contextmanager
def unavailable(*telling: str) -> Iterator[None]:
    """Expect SessionStoreUnavailable within 3 s, with a message that has all of ``telling``."""
    started = time.monotonic()
    with pytest.raises(SessionStoreUnavailable) as caught:
        yield
    assert time.monotonic() - started < 3
    for words in ("CACHES['sessions']", *telling):
        assert words in str(caught.value)
    assert SECRET not in repr(caught.value) + repr(caught.value.__cause__)


def every_operation(do: Do) -> Iterator[Callable[[], Any]]:
    """Yield every operation of a session that needs the server."""
    yield lambda: do(SessionStore(UNKNOWN).load)
    yield lambda: do(SessionStore(UNKNOWN).get, "name")
    yield lambda: do(SessionStore(UNKNOWN).exists, UNKNOWN)
    yield lambda: do(SessionStore(UNKNOWN).delete)
    yield lambda: do(SessionStore(UNKNOWN).flush)
    yield lambda: do(SessionStore(UNKNOWN).cycle_key)
    yield lambda: do(SessionStore().create)
    yield lambda: do(SessionStore().save)
    yield lambda: do(SessionStore(UNKNOWN).save, must_create=True)


@pytest.fixture
def own_server(server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that a test may spoil; its options by indirect parameters."""
    own = Server(server.name, None, *getattr(request, "param", ())).start()
    yield own
    connections.close()
    own.stop()


def test_a_server_that_is_down_is_unavailable_for_every_operation(do: Do, settings) -> None:
    settings.CACHES = caches(f"redis://:{SECRET}@127.0.0.1:{free_port()}/0")
    for operation in every_operation(do):
        with unavailable("connecting to 127.0.0.1"):
            operation()


def test_a_session_outlives_a_server_that_is_down_for_a_while(
    do: Do, own_server: Server, settings
) -> None:
    settings.CACHES = caches(own_server.url)
    session = SessionStore()
    do(session.save)
    own_server.kill()
    do(session.update, {"name": "Ada"})
    with unavailable("connecting to 127.0.0.1"):
        do(session.save)
    assert session["name"] == "Ada"
    own_server.start()
    do(session.create)
    assert do(SessionStore(session.session_key).get, "name") == "Ada"


def test_a_name_that_does_not_resolve_is_unavailable(do: Do, settings) -> None:
    settings.CACHES = caches(f"redis://:{SECRET}@no-such-host.invalid:6379/0")
    with unavailable("no-such-host.invalid"):
        do(SessionStore().save)


def test_a_unix_socket_that_is_not_there_is_unavailable(do: Do, settings) -> None:
    settings.CACHES = caches(f"unix://:{SECRET}@/no/such/sessions.sock")
    with unavailable("/no/such/sessions.sock"):
        do(SessionStore().save)


@pytest.mark.parametrize("own_server", [("--requirepass", "right")], indirect=True)
def test_a_wrong_password_is_told_but_not_shown(do: Do, own_server: Server, settings) -> None:
    settings.CACHES = caches(f"redis://:{SECRET}@127.0.0.1:{own_server.port}/0")
    with unavailable("invalid username-password", "credentials"):
        do(SessionStore().save)


@pytest.mark.parametrize("own_server", [("--requirepass", "right")], indirect=True)
def test_a_missing_password_is_told(do: Do, own_server: Server, settings) -> None:
    settings.CACHES = caches(own_server.url)
    with unavailable("Authentication required", "credentials"):
        do(SessionStore().save)


def test_a_user_without_permission_is_told(do: Do, own_server: Server, settings) -> None:
    with own_server.client() as client:
        client.acl_setuser(
            "web", enabled=True, passwords=[f"+{SECRET}"], keys="*", commands=["+get"]
        )
    settings.CACHES = caches(own_server.url, USERNAME="web", PASSWORD=SECRET)
    with unavailable("permissions"):
        do(SessionStore().save)


def test_a_database_that_does_not_exist_is_told(do: Do, own_server: Server, settings) -> None:
    settings.CACHES = caches(f"redis://127.0.0.1:{own_server.port}/4711")
    with unavailable("DB index is out of range"):
        do(SessionStore().save)


def test_a_replica_that_takes_no_writes_is_told(
    do: Do, server: Server, own_server: Server, settings
) -> None:
    with own_server.client() as client:
        client.replicaof("127.0.0.1", server.port)
        settings.CACHES = caches(own_server.url)
        with unavailable("read only"):
            do(SessionStore().save)


def test_a_server_without_memory_left_is_told(do: Do, own_server: Server, settings) -> None:
    settings.CACHES = caches(own_server.url)
    session = SessionStore()
    do(session.update, {"name": "Ada"})
    do(session.save)
    with own_server.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
    do(session.update, {"name": "Grace"})
    with unavailable("maxmemory"):
        do(session.save)
    assert do(SessionStore(session.session_key).get, "name") == "Ada"
    do(session.delete)


def test_a_listener_that_never_answers_is_unavailable(do: Do, settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.CACHES = caches(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        with unavailable("Timeout"):
            do(SessionStore().save)


def test_an_answer_that_stops_is_unavailable(do: Do, own_server: Server, settings) -> None:
    settings.CACHES = caches(own_server.url)
    do(SessionStore().save)
    with own_server.client() as client:
        client.execute_command("CLIENT", "PAUSE", 10_000)
        with unavailable("Timeout"):
            do(SessionStore().save)


def test_a_host_that_swallows_connections_is_unavailable(do: Do, settings) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # the kernel drops what comes after these
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        settings.CACHES = caches(f"redis://127.0.0.1:{full.getsockname()[1]}/0")
        with unavailable("Timeout"):
            do(SessionStore().save)


def test_a_server_of_another_protocol_is_unavailable(do: Do, settings) -> None:
    with _HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        threading.Thread(target=http.serve_forever, args=[0.01]).start()
        settings.CACHES = caches(f"redis://127.0.0.1:{http.server_port}/0")
        with unavailable():
            do(SessionStore().save)
        http.shutdown()


class _HTTPServer(HTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing: that the client went away is what is tested."""


def test_threads_wait_for_a_free_connection_no_longer_than_the_pool_says(
    server: Server, settings
) -> None:
    settings.CACHES = caches(server.url, CONNECTION_POOL_KWARGS=ONE)
    pool = connections.pool("sessions")
    taken = pool.take()
    with unavailable("No connection available"):
        SessionStore().save()
    pool.release(taken)
    SessionStore().save()
