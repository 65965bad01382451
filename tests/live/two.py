"""Server processes that serve one site together, and a browser that visits all of them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.live.visitors import BOUND
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
STARTS = 60  # seconds, for a process to start or to end on a busy machine
APPLICATION = "tests.live.two_site:application"
COMMANDS = {
    "uvicorn": ["uvicorn", "--host=127.0.0.1", "--port={port}", "--lifespan=off", APPLICATION],
    "daphne": ["daphne", "-b", "127.0.0.1", "-p", "{port}", APPLICATION],
}
WRONG = {
    "uvicorn": re.compile(r"Traceback|never retrieved|was destroyed|ResourceWarning"),
    "daphne": re.compile(r"Traceback|never retrieved|was destroyed"),  # it never closes its loop
}


def until(condition: Callable[[], Any], bound: float = BOUND) -> Any:
    """Return what ``condition`` gives once that is true."""
    deadline = time.monotonic() + bound
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
    return found


def environment(folder: Path, sessions_url: str, **options: Any) -> dict[str, str]:
    """Return what a process of the site needs; ``options`` are its REDIS_SESSIONS."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.live.two_settings",
        "REDIS_SESSIONS_TEST_URL": sessions_url,
        "REDIS_SESSIONS_TEST_USERS": str(folder / "users.sqlite3"),
        "REDIS_SESSIONS_TEST_OPTIONS": json.dumps(options),
    }


def make_users(surroundings: dict[str, str]) -> None:
    """Make the file with the users; before the first process starts."""
    command = [sys.executable, "-m", "tests.live.two_site"]
    subprocess.run(command, cwd=ROOT, env=surroundings, check=True)


class Process:
    """One server process of the site."""

    def __init__(self, name: str, log: Path, surroundings: dict[str, str]) -> None:
        self.name, self.log, self.port = name, log, free_port()
        words = [word.format(port=self.port) for word in COMMANDS[name]]
        with self.log.open("wb") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-X", "dev", "-m", *words],
                cwd=ROOT,
                env=surroundings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._popen.pid

    def wait_for_start(self) -> None:
        until(self._answers, STARTS)

    def _answers(self) -> bool:
        assert self._popen.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self) -> int:
        """Stop the process as an init system does; return its exit status."""
        self._popen.send_signal(signal.SIGTERM)
        try:
            return self._popen.wait(STARTS)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self._popen.kill()
        self._popen.wait()

    def says(self, text: str) -> int:
        """Return how often the process has said something."""
        return self.log.read_text().count(text)

    def complaint(self) -> str:
        """Return what the process said, if it complained; empty where all was well."""
        said = self.log.read_text()
        return said if WRONG[self.name].search(said) else ""


class Browser:
    """One jar of cookies, for pages and sockets of every process."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def post(self, process: Process, page: str, **values: Any) -> str:
        """Visit a page that answers 200, and return its text."""
        kind = {"Content-Type": "application/json"}
        response, text = self.request(process, page, json.dumps(values), kind)
        assert response.status == 200, text
        return text

    def request(
        self, process: Process, page: str, body: str, headers: dict[str, str]
    ) -> tuple[HTTPResponse, str]:
        connection = HTTPConnection("127.0.0.1", process.port, timeout=BOUND)
        try:
            connection.request("POST", f"/{page}/", body, {**headers, **self._header()})
            response = connection.getresponse()
            self._keep(response.headers.get_all("Set-Cookie", []))
            return response, response.read().decode()
        finally:
            connection.close()

    def claim(self, process: Process, claim: str) -> int:
        """Post a claim, as the page's script does; return the status."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://127.0.0.1:{process.port}",
        }
        return self.request(process, "sessions/claim", f"claim={claim}", headers)[0].status

    def shown(self, process: Process) -> dict[str, Any]:
        """Return what the session holds, as HTTP sees it."""
        return json.loads(self.post(process, "show"))

    def open(self, process: Process, path: str = "told") -> ClientConnection:
        """Open a socket."""
        url = f"ws://127.0.0.1:{process.port}/{path}/"
        return connect(
            url, additional_headers=self._header(), origin="http://localhost", proxy=None
        )

    def planted_in_another(self) -> "Browser":
        """Return another browser, with the same cookies."""
        other = Browser()
        other.cookies = dict(self.cookies)
        return other

    def _header(self) -> dict[str, str]:
        pairs = [f"{name}={value}" for name, value in self.cookies.items()]
        return {"Cookie": "; ".join(pairs)} if pairs else {}

    def _keep(self, headers: list[str]) -> None:
        for header in headers:
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]


def tell(live: ClientConnection, do: str, **arguments: Any) -> None:
    live.send(json.dumps({"do": do, **arguments}))


def hear(live: ClientConnection) -> Any:
    return json.loads(live.recv(BOUND))


def ask(live: ClientConnection, do: str, **arguments: Any) -> Any:
    """Tell a consumer to do something, and return what it says next."""
    tell(live, do, **arguments)
    return hear(live)


def closing(live: ClientConnection) -> tuple[int, str]:
    """Wait until the server closes a socket; return the code and the reason that it sent."""
    with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
        while True:
            live.recv(BOUND)
    assert closed.value.rcvd is not None, "the connection was lost"
    return closed.value.rcvd.code, closed.value.rcvd.reason
