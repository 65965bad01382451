"""The measurements of requests, without a server: Django's handlers, driven in this process."""

import asyncio
import gc
from collections.abc import Iterable
from contextvars import Context
from functools import cached_property
from http.cookies import SimpleCookie
from io import BytesIO
from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from . import cores
from .clocks import Spent
from .engines import BARE
from .operations import BASKET, KEY, LOGIN
from .stores import SHARED, Stores
from .visitor import REMEMBERED, leave_users_alone, remembered, session_of

HOST = "127.0.0.1"


class Answer(NamedTuple):
    """What came back: the value of ``Set-Cookie``, if any, and the body."""

    cookie: str
    body: bytes


class Pageviews(Stores):
    """Stores, and requests to Django."""

    def pageview(self, gateway: str, name: str, count: int) -> Spent:
        """Have ``count`` requests answered, one after the other; return what each took."""
        keys = self.keys_for(name, count)
        cores.keep_to(cores.CLIENT["sync" if gateway == "WSGI" else "async"])
        gc.collect()
        view = {"ASGI": self._asgi, "WSGI": self._wsgi}[gateway]
        spent, answers = view("plain" if self.engine == BARE.name else name, keys)
        self.assert_done(name, keys, answers[-1])
        return spent

    def keys_for(self, name: str, count: int) -> list[str]:
        """Return the session keys of ``count`` requests; each login needs a session of its own."""
        if self.engine == BARE.name:
            return [""] * count
        if name == "login":
            return [str(key) for key in self._session_keys(BASKET, count)]
        keys = self._session_keys(session_of(remembered(), **REMEMBERED), min(SHARED, count))
        return [str(keys[number % len(keys)]) for number in range(count)]

    def assert_done(self, name: str, keys: list[str], last: Answer) -> None:
        """Raise AssertionError where the last answer, or what is stored, is not what it must be."""
        if self.engine == BARE.name:
            assert last == Answer("", b"plain"), last
        elif name == "read":
            assert last.body == f"{LOGIN[SESSION_KEY]} 0".encode(), last
        elif name == "write":
            assert last.body.startswith(b"wrote "), last
            stored = sum(dict(self.SessionStore(key).items())[KEY] for key in set(keys))
            assert 0 < stored <= len(keys), f"{stored} visits are stored, of {len(keys)}"
        else:
            key = SimpleCookie(last.cookie)["sessionid"].value
            assert key not in keys
            stored = dict(self.SessionStore(key).items())
            assert stored[SESSION_KEY] == LOGIN[SESSION_KEY], stored

    @cached_property
    def _handlers(self) -> tuple[ASGIHandler, WSGIHandler]:
        leave_users_alone()
        return ASGIHandler(), WSGIHandler()

    def _asgi(self, name: str, keys: Iterable[str]) -> tuple[Spent, list[Answer]]:
        asked = [_scope(f"/{name}/", key) for key in keys]
        return self.runner.run(self._ask_all(self._handlers[0], asked))

    async def _ask_all(
        self, handler: ASGIHandler, scopes: list[dict[str, Any]]
    ) -> tuple[Spent, list[Answer]]:
        loop = asyncio.get_running_loop()
        spent = self.clocks.start()
        answers = [
            await loop.create_task(_ask(handler, scope), context=Context()) for scope in scopes
        ]
        return spent(len(scopes)), answers

    def _wsgi(self, name: str, keys: Iterable[str]) -> tuple[Spent, list[Answer]]:
        handler = self._handlers[1]
        asked = [_environ(f"/sync/{name}/", key) for key in keys]
        spent = self.clocks.start()
        answers = [_call(handler, environ) for environ in asked]
        return spent(len(asked)), answers


def _scope(path: str, key: str) -> dict[str, Any]:
    cookie = [(b"cookie", f"sessionid={key}".encode())] if key else []
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", HOST.encode()), *cookie],
        "client": (HOST, 50_000),
        "server": (HOST, 80),
    }


async def _ask(handler: ASGIHandler, scope: dict[str, Any]) -> Answer:
    """Be as much of a server as a request needs."""
    requests = [{"type": "http.request", "body": b"", "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not requests:
            await asyncio.get_running_loop().create_future()  # the visitor stays
        return requests.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await handler(scope, receive, send)
    start, *bodies = sent
    assert start["status"] == 200, start
    headers = dict(start["headers"])
    return Answer(headers.get(b"Set-Cookie", b"").decode(), bodies[0]["body"])


def _environ(path: str, key: str) -> dict[str, Any]:
    cookie = {"HTTP_COOKIE": f"sessionid={key}"} if key else {}
    return cookie | {
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
    }


def _call(handler: WSGIHandler, environ: dict[str, Any]) -> Answer:
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    response = handler(environ, lambda status, headers: begun.append((status, headers)))
    body = b"".join(response)
    response.close()
    ((status, headers),) = begun
    assert status == "200 OK", status
    return Answer(dict(headers).get("Set-Cookie", ""), body)
