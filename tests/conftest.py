"""Fixtures: the real server, an empty one for each test, and both halves of the session."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import hypothesis
import pytest
import redis
from django.conf import settings

from redis_sessions import connections
from redis_sessions.session import SessionStore
from tests.servers import BINARIES, Server, binary

pytest_plugins = ["redis_sessions.testing"]

# --hypothesis-profile=long: fifty times as many examples of each property.
hypothesis.settings.register_profile("long", max_examples=5000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", choices=BINARIES, default="valkey", help="which server to run on")
    parser.addoption("--share", metavar="K/N", help="run the K-th of N equal shares of the tests")


_BROWSER = {"client", "example"}
_SERVERS = {"cluster", "faults", "sentinel", "soak"}
_SLOW = {*_BROWSER, *_SERVERS, "fuzz"}
_SLOW |= {"test_benchmarks.py", "test_django_suites.py", "test_packaging.py"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _mark(items)
    if config.option.share:
        share, shares = map(int, config.option.share.split("/"))
        parts: list[list[pytest.Item]] = [[] for _ in range(shares)]
        for item in items:
            parts[crc32(item.nodeid.encode()) % shares].append(item)
        items[:] = parts.pop(share - 1)
        config.hook.pytest_deselected(items=[item for part in parts for item in part])


def _mark(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    for item in items:
        part = item.path.relative_to(folder).parts[0]
        if part in _SLOW:
            item.add_marker(pytest.mark.slow)
        if part in _BROWSER:
            item.add_marker(pytest.mark.browser)
        if part in _SERVERS:
            item.add_marker(pytest.mark.servers)
        if part == "test_django_suites.py":
            item.add_marker(pytest.mark.suites)


@pytest.fixture(scope="session", autouse=True)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server at CACHES["sessions"], running for the whole run."""
    name = request.config.getoption("server")
    if binary(name) is None:
        pytest.exit("--server=redis needs redis-server: apt-get install redis-server", returncode=2)
    port = urlsplit(settings.CACHES["sessions"]["LOCATION"]).port
    running = Server(name, port).start()
    yield running
    connections.close()
    running.stop()


@pytest.fixture(scope="session")
def _client(server: Server) -> Iterator[redis.Redis]:
    with server.client() as client:
        yield client


@pytest.fixture(autouse=True)
def redis_client(_client: redis.Redis) -> redis.Redis:
    """A plain client on a server that holds no keys."""
    _client.flushdb()
    return _client


Do = Callable[..., Any]


def _do_sync(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return method(*args, **kwargs)


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest) -> Iterator[Do]:
    """Call a method of a session in one half: ``do(session.save)`` is save(), then asave()."""
    if request.param == "sync":
        yield _do_sync
        return
    with asyncio.Runner() as runner:

        async def call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            twin = getattr(method.__self__, f"a{method.__name__}")
            return await twin(*args, **kwargs)

        yield lambda method, *args, **kwargs: runner.run(call(method, *args, **kwargs))


@pytest.fixture
def stored(do: Do) -> Callable[..., SessionStore]:
    """Make a stored session that holds the given values."""

    def make(**values: Any) -> SessionStore:
        session = SessionStore()
        do(session.update, values)
        do(session.save)
        return session

    return make


def record_of(session: SessionStore) -> str:
    """Return the key of a session's record in the server."""
    return f"session:{{{session.id}}}"
