"""A user who goes on while things fail, and counts what comes back.

Cookies are kept as they are set, and what was acknowledged is remembered. Who finds a session that
is not theirs any more, or cannot log in, begins another.
"""

import time
from collections import Counter
from http.cookies import SimpleCookie
from io import BytesIO
from itertools import cycle
from threading import Event
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

from .visitor import remembered

HOST = "127.0.0.1"
STEPS = ("write", "login", *("read", "write") * 8)  # of one session; the first write is a basket's
PAUSE = 0.005  # seconds between two pages


class User:
    """What a user knows: the cookie, whether they are logged in, and what the key may hold."""

    def __init__(self, handler: WSGIHandler) -> None:
        self.counts: Counter[str] = Counter()
        self.slowest = 0.0
        self.failed = 0.0  # when something was not as it should be, last
        self.is_idle = False
        self._handler = handler
        self._number = 0
        self._begin()

    def ask(self) -> None:
        """Ask for the next page and judge the answer."""
        page = STEPS[self._step]
        self._number += page == "write"
        path = f"/write/{self._number}/" if page == "write" else f"/{page}/"
        began = time.monotonic()
        status, body, cookie = _call(self._handler, path, self._cookie)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.counts["requests"] += 1
        if cookie == "":
            self._fail("cookies")
        if status == 200:
            self._judge(page, body, cookie)
        else:
            self._not_served(page, cookie)

    def _not_served(self, page: str, cookie: str | None) -> None:
        self._fail("errors")
        if page == "login" or cookie is not None or not self._cookie:
            self._begin()  # nobody can tell what became of it
            return
        if page == "write":
            self._may_hold.add(self._number)
        self._go_on()

    def _judge(self, page: str, body: str, cookie: str | None) -> None:
        who, _, text = body.partition(" ")
        held = None if text == "None" else int(text)
        self._is_in = self._is_in or page == "login"
        is_right = who == (str(remembered().pk) if self._is_in else "None")
        if held not in self._may_hold or not is_right:
            self._fail("wrong")
            is_lost = held not in self._may_hold if is_right else cookie not in {None, self._cookie}
            self.counts["lost"] += is_lost
            self._begin()
            return
        self._cookie = cookie or self._cookie
        self._may_hold = {self._number if page == "write" else held}
        self._go_on()

    def _go_on(self) -> None:
        self._step += 1
        if self._step == len(STEPS):
            self._begin()

    def _begin(self) -> None:
        """Be somebody new."""
        self._cookie, self._is_in, self._step = "", False, 0
        self._may_hold: set[int | None] = {None}

    def _fail(self, name: str) -> None:
        self.counts[name] += 1
        self.failed = time.monotonic()


def go_on(users: list[User], idle: Event, over: Event) -> None:
    """Have users ask in turn, but while everybody is to be idle."""
    for user in cycle(users):
        while idle.is_set() and not over.is_set():
            user.is_idle = True
            time.sleep(PAUSE)
        user.is_idle = False
        if over.is_set():
            return
        user.ask()
        time.sleep(PAUSE)


def _call(handler: WSGIHandler, path: str, cookie: str) -> tuple[int, str, str | None]:
    """Return status, body and the cookie that was set; "" where it is to be deleted."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    response = handler(
        _environ(path, cookie), lambda status, headers: begun.append((status, headers))
    )
    body = b"".join(response).decode()
    response.close()
    ((status, headers),) = begun
    found = SimpleCookie(dict(headers).get("Set-Cookie", "")).get("sessionid")
    return int(status.split()[0]), body, None if found is None else found.value


def _environ(path: str, cookie: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": HOST,
        "REMOTE_ADDR": HOST,
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        **({"HTTP_COOKIE": f"sessionid={cookie}"} if cookie else {}),
    }
