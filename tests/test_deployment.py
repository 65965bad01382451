"""What the page about deployment says of servers: what is kept, evicted, refused."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redis_sessions import checks, connections
from redis_sessions.exceptions import SessionStoreUnavailable
from tests.caches import caches
from tests.conftest import Do
from tests.observers import again
from tests.servers import Server

Start = Callable[..., Server]


@pytest.fixture
def start(request: pytest.FixtureRequest, settings: Any) -> Iterator[Start]:
    """Start a server with options, where the sessions are."""
    started: list[Server] = []

    def run(*options: str) -> Server:
        started.append(Server(request.config.getoption("server"), None, *options).start())
        settings.CACHES = caches(started[-1].url)
        return started[-1]

    yield run
    connections.close()
    for server in started:
        server.stop()


@pytest.mark.parametrize("appends", ["yes", "no"])
def test_what_a_killed_server_knows_afterwards_is_in_its_append_only_file(
    do: Do, stored: Any, start: Start, appends: str
) -> None:
    server = start("--appendonly", appends, "--appendfsync", "everysec")
    session = stored(name="Ada")
    server.kill()
    server.start()
    assert do(again(session).get, "name") == ("Ada" if appends == "yes" else None)


def fill(server: Server, policy: str) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", 1)


def test_a_full_server_that_evicts_nothing_still_reads_and_logs_out(
    do: Do, stored: Any, start: Start
) -> None:
    server, session = start(), stored(name="Ada")
    fill(server, "noeviction")
    session["name"] = "Grace"
    with pytest.raises(SessionStoreUnavailable, match="maxmemory"):
        do(session.save)
    assert do(again(session).get, "name") == "Ada"
    do(session.delete)
    assert do(again(session).get, "name") is None


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-ttl", "allkeys-lru"])
def test_a_full_server_that_evicts_ends_sessions(
    do: Do, stored: Any, start: Start, policy: str
) -> None:
    server, session = start(), stored(name="Ada")
    fill(server, policy)
    with pytest.raises(SessionStoreUnavailable, match="maxmemory"):
        stored(name="Grace")
    assert do(again(session).get, "name") is None


WITHOUT_CONFIG = {
    "by another name": ["--rename-command", "CONFIG", ""],
    "refused": ["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-config", "-client"],
}


@pytest.mark.parametrize("how", WITHOUT_CONFIG)
@pytest.mark.parametrize(
    ("policy", "found"), [("noeviction", []), ("volatile-lru", ["redis_sessions.W009"])]
)
def test_a_service_without_the_command_config_will_do(
    do: Do, stored: Any, start: Start, how: str, policy: str, found: list[str]
) -> None:
    server = start("--maxmemory-policy", policy, *WITHOUT_CONFIG[how])
    with server.client() as client, pytest.raises(Exception, match=r"unknown command|permission"):
        client.config_get("maxmemory-policy")
    assert [message.id for message in checks.check_server()] == found
    session = stored(name="Ada")
    assert do(again(session).get, "name") == "Ada"


def test_a_user_who_may_not_ask_for_info_is_told_so(start: Start) -> None:
    start("--user", "default", "on", "nopass", "~*", "&*", "+@all", "-info")
    [message] = checks.check_server()
    assert (message.id, "'info'" in message.msg) == ("redis_sessions.W008", True)
