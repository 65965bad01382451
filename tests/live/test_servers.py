"""The essentials over the wire: uvicorn and daphne, each in a process, and a real client."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches as django_caches
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.caches import caches
from tests.live.outages import Fickle
from tests.live.visitors import BOUND
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
APPLICATION = "tests.live.application:application"
COMMANDS = {
    "uvicorn": ["uvicorn", "--host=127.0.0.1", "--port={port}", "--lifespan=off", APPLICATION],
    "daphne": ["daphne", "-b", "127.0.0.1", "-p", "{port}", APPLICATION],
}
WRONG = {
    "uvicorn": re.compile(r"Traceback|never retrieved|was destroyed|ResourceWarning"),
    "daphne": re.compile(r"Traceback|never retrieved|was destroyed"),  # it never closes its loop
}


STARTS = 60  # seconds, for a process to start or to end on a busy machine


def until(condition: Callable[[], Any], bound: float = BOUND) -> Any:
    """Return what ``condition`` gives once that is true."""
    deadline = time.monotonic() + bound
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
    return found


class Site:
    """A real server of the application, with a session server of its own."""

    def __init__(self, name: str, folder: Path, sessions: Fickle) -> None:
        self.name, self.sessions, self.port = name, sessions, free_port()
        self.log = folder / "log"
        words = [word.format(port=self.port) for word in COMMANDS[name]]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "dev", "-m", *words],
                cwd=ROOT,
                env={**os.environ, "REDIS_SESSIONS_TEST_URL": sessions.url},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> "Site":
        until(self.answers, STARTS)
        return self

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def open(self, path: str, client: Client, **options: Any) -> ClientConnection:
        cookies = "; ".join(f"{name}={each.value}" for name, each in client.cookies.items())
        headers = {"Cookie": cookies} if cookies else {}
        url = f"ws://127.0.0.1:{self.port}/{path}/"
        options = {"origin": "http://localhost", "proxy": None} | options
        return connect(url, additional_headers=headers, **options)

    def end(self) -> str:
        """Stop the process as an init system does; return what it said."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STARTS)
        finally:
            self.kill()
        return self.log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module", params=COMMANDS)
def site(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Site]:
    with ExitStack() as last:
        sessions = Fickle(request.config.getoption("server"))
        last.callback(sessions.stop)
        sessions.start()
        running = Site(request.param, tmp_path_factory.mktemp(request.param), sessions)
        last.callback(running.kill)
        yield running.start()
        said = running.end()
    assert not WRONG[running.name].search(said), said


@pytest.fixture
def client(site: Site, settings: Any) -> Client:
    """A browser that holds {"name": "Ada"}."""
    settings.CACHES = caches(site.sessions.url)
    client = Client()
    change(client, name="Ada")
    return client


def change(client: Client, **values: Any) -> None:
    assert client.post("/change-in-a-thread/", values, "application/json").status_code == 200


def shown(client: Client) -> dict[str, Any]:
    return client.get("/show/").json()


def tell(live: ClientConnection, do: str, **arguments: Any) -> None:
    live.send(json.dumps({"do": do, **arguments}))


def ask(live: ClientConnection, do: str, **arguments: Any) -> Any:
    tell(live, do, **arguments)
    return json.loads(live.recv(BOUND))


@pytest.mark.parametrize("path", ["told", "told-sync"])
def test_a_page_and_a_socket_share_the_session(site: Site, client: Client, path: str) -> None:
    with site.open(path, client) as live:
        assert ask(live, "get") == {"name": "Ada"}
        for number in range(20):
            assert ask(live, "set_and_answer", number=number) == "done"
            assert shown(client) == {"name": "Ada", "number": number}
        change(client, name="Grace")
        tell(live, "set", more=1)
        until(lambda: shown(client) == {"name": "Grace", "number": 19, "more": 1})


def test_a_client_that_vanishes_after_its_frame_loses_nothing(site: Site, client: Client) -> None:
    with site.open("told", client) as live:
        tell(live, "set", name="Grace")
        live.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: shown(client)["name"] == "Grace")


def test_the_client_sees_the_code_of_a_session_that_ended_and_so_does_the_consumer(
    site: Site, client: Client
) -> None:
    for do in ("set", "set_and_answer"):
        django_caches["sessions"].delete("disconnected")
        change(client, name="Ada")
        with site.open("told", client) as live:
            client.post("/end/")
            with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
                tell(live, do, late=1)  # it may be closed before this arrives
                live.recv(BOUND)
        assert closed.value.rcvd.code == 4401
        until(lambda: django_caches["sessions"].get("disconnected") == 4401)
        assert "late" not in shown(client)


def test_a_socket_of_another_origin_is_denied(site: Site, client: Client) -> None:
    with pytest.raises(InvalidStatus) as denied:
        site.open("told", client, origin="http://elsewhere.example").close()
    assert denied.value.response.status_code == 403


def test_a_session_that_begins_before_accept_sends_its_cookie_where_the_server_can(
    site: Site, client: Client
) -> None:
    client.cookies.clear()
    with site.open("counter", client) as live:
        live.send("?")
        assert live.recv(BOUND) == "1"
        cookies = live.response.headers.get_all("Set-Cookie")
    if site.name == "daphne":  # it sends no headers of websocket.accept
        assert cookies == []
        return
    client.cookies.load(cookies[0])
    assert shown(client) == {"visits": 1}


def test_a_frame_waits_for_a_server_that_is_away_and_new_sockets_come_later(
    site: Site, client: Client
) -> None:
    with site.open("told", client) as live:
        site.sessions.go()
        try:
            tell(live, "set_and_answer", name="Grace")
            until(lambda: "waits to be saved" in site.log.read_text())
            with site.open("told", client) as other, pytest.raises(ConnectionClosed) as closed:
                other.recv(BOUND)
            assert closed.value.rcvd.code == 4503
        finally:
            site.sessions.come_back()
        assert json.loads(live.recv(BOUND)) == "done"
        assert shown(client) == {"name": "Grace"}


def test_a_server_that_is_stopped_closes_its_sockets_and_ends_without_an_error(
    site: Site, client: Client, tmp_path: Path
) -> None:
    with ExitStack() as opened:
        stopped = Site(site.name, tmp_path, site.sessions)
        opened.callback(stopped.kill)
        stopped.start()
        for number in range(5):
            live = opened.enter_context(stopped.open("told", client))
            ask(live, "set_and_answer", **{f"key{number}": number})
        said = stopped.end()
    assert shown(client) == {"name": "Ada", **{f"key{number}": number for number in range(5)}}
    assert not WRONG[site.name].search(said), said
