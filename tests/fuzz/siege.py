"""A site, somebody who logs in there, and somebody who wants in: what both can do."""

import asyncio
import json
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from django.contrib.auth import alogin, alogout, get_user_model
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests import doors
from tests.doors import BACKEND, Guest

if TYPE_CHECKING:
    from tests.live.visitors import Socket

EVIL = "http://evil.example"


class Visitor(Guest):
    """A guest who may log in by HTTP, too."""

    async def log_in(self, name: str) -> None:
        """Log in; with a key that was rotated just now that fails, and then without it."""
        if (await self.client.post(f"/in/{name}/")).status_code == 400:
            self.client.cookies.clear()
            assert (await self.client.post(f"/in/{name}/")).status_code == 200

    async def log_out(self) -> None:
        assert (await self.client.post("/out/")).status_code in {200, 400}

    async def log_in_over_a_socket(self, name: str) -> str:
        """Log in, leave, and return a claim that nobody has posted yet."""
        await self.held()  # a page comes first: it deletes a cookie of no session
        line = await Line(self).open()
        if await line.ask("who") is None:  # the key was rotated just now
            self.client.cookies.clear()
            line = await Line(self).open()
        assert await line.ask("login", name=name) == f'"{name}"'
        claim = json.loads(await line.ask("claim") or "")
        await line.close()
        return claim

    async def held(self) -> dict[str, Any]:
        """Return what this visitor's session holds."""
        return (await self.client.get("/get/")).json()


class Line:
    """A socket that may have been closed, and all that came out of it."""

    def __init__(self, visitor: Guest) -> None:
        self.visitor = visitor
        self.socket: Socket | None = None

    async def open(self) -> "Line":
        self.socket = await self.visitor.door().__aenter__()
        return self

    async def ask(self, do: str, **arguments: Any) -> str | None:
        """Return the answer; None where the socket is closed."""
        if self.socket is None:
            return None
        await self.socket.tell(do, **arguments)
        message = await self.socket.receive_output()
        if message["type"] == "websocket.send":
            return message["text"]
        await self.close()
        return None

    async def close(self) -> None:
        socket, self.socket = self.socket, None
        if socket is not None:
            await socket.__aexit__(None)


class Runs:
    """What runs coroutines of one loop, one after the other."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.lines: list[Line] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def open(self, visitor: Guest) -> Line:
        line = self.run(Line(visitor).open())
        self.lines.append(line)
        return line

    def end(self) -> None:
        for line in self.lines:
            self.run(line.close())
        self.runner.close()


async def _log_in(request: HttpRequest, name: str) -> HttpResponse:
    user = await get_user_model().objects.aget(username=name)
    await alogin(request, user, BACKEND)
    return HttpResponse()


async def _log_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse()


async def _rotate(request: HttpRequest) -> HttpResponse:
    await request.session.acycle_key()
    return HttpResponse()


urlpatterns = [
    *doors.urlpatterns,
    path("in/<str:name>/", _log_in),
    path("out/", _log_out),
    path("rotate/", _rotate),
]
