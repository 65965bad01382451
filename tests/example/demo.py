"""The demo site as its users have it: started by its one command, visited from outside."""

import contextlib
import html
import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import redis_sessions

EXAMPLE = Path(__file__).parents[2] / "example_project"
TIMES = "\N{MULTIPLICATION SIGN}"
BOUND = 60  # seconds, for whatever should come about soon


def wait_until(condition: Callable[[], Any]) -> Any:
    """Return what ``condition`` gives once that is true."""
    deadline = time.monotonic() + BOUND
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found


class Site:
    """A running demo site."""

    def __init__(self, folder: Path, *options: str, redis_url: str | None = None) -> None:
        package = str(Path(redis_sessions.__file__).parents[1])
        env = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": package}
        env.pop("REDIS_URL", None)
        if redis_url:
            env["REDIS_URL"] = redis_url
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, EXAMPLE / "run.py", *options],
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        """The address that it prints once it is there."""
        return wait_until(self._printed_url)

    def _printed_url(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r"http://\S+", self.log.read_text())
        return found and found.group()

    def interrupt(self) -> int:
        """Send what Ctrl-C at a terminal sends, to the whole group; return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(BOUND)

    def terminate(self) -> int:
        """Send what ``kill`` sends; return the exit code."""
        self.process.terminate()
        return self.process.wait(BOUND)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(BOUND)


class Visitor:
    """A browser without JavaScript, and a WebSocket client with the same cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.opener.addheaders.append(("Origin", url.rstrip("/")))

    @property
    def cookies(self) -> dict[str, str | None]:
        return {cookie.name: cookie.value for cookie in self.jar}

    @property
    def session_key(self) -> str:
        return self.cookies["sessionid"] or ""

    def get(self, path: str = "") -> str:
        with self.opener.open(self.url + path, timeout=BOUND) as response:
            return response.read().decode()

    def post(self, path: str, **values: str) -> str:
        """Send a form as the page does; return the page that it leads to."""
        if "csrftoken" not in self.cookies:
            self.get()
        values["csrfmiddlewaretoken"] = self.cookies["csrftoken"] or ""
        data = urllib.parse.urlencode(values).encode()
        with self.opener.open(self.url + path, data, timeout=BOUND) as response:
            return response.read().decode()

    def take(self, claim: str) -> int:
        """Post a claim as the page does; return the status."""
        data = urllib.parse.urlencode({"claim": claim}).encode()
        with self.opener.open(self.url + "sessions/claim/", data, timeout=BOUND) as response:
            return response.status

    def socket(self, origin: str | None = None) -> ClientConnection:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return connect(
            self.url.replace("http", "ws") + "live/",
            origin=origin or self.url.rstrip("/"),
            additional_headers={"Cookie": cookies} if cookies else None,
            open_timeout=BOUND,
        )


def receive(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next frame of one kind."""
    while True:
        frame = json.loads(connection.recv(BOUND))
        if frame.get("type") == kind:
            return frame


def see(connection: ClientConnection, **values: Any) -> dict[str, Any]:
    """Return the next state that shows these values."""
    while True:
        state = receive(connection, "state")
        if values.items() <= state.items():
            return state


def claimed(connection: ClientConnection) -> str:
    """Return the next claim."""
    while True:
        frame = json.loads(connection.recv(BOUND))
        if "session_claim" in frame:
            return frame["session_claim"]


def closed(connection: ClientConnection) -> tuple[int, str]:
    """Return code and reason with which the server closes."""
    while True:
        try:
            connection.recv(BOUND)
        except ConnectionClosed as error:
            frame = error.rcvd  # None where the connection broke
            return (frame.code, frame.reason) if frame else (1006, "")


def ask(connection: ClientConnection, do: str, **values: Any) -> dict[str, Any]:
    """Send a frame; return the state that answers it."""
    connection.send(json.dumps({"do": do, **values}))
    return receive(connection, "state")


def shown(page: str, element: str) -> str:
    """Return the text of an element of the page, without tags."""
    found = re.search(rf'<(\w+)[^>]* id="{element}".*?>(.*?)</\1>', page, re.DOTALL)
    assert found, page
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found.group(2))).split())
