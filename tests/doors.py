"""A site where one logs in over a socket, and a guest of it."""

from typing import Any, Self

from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

from redis_sessions.live import claim, login, logout
from tests.live.visitors import Socket, Visitor

ORIGIN = "http://testserver"
BACKEND = "django.contrib.auth.backends.ModelBackend"


class Door(AsyncJsonWebsocketConsumer):
    """``{"do": "login", ...}`` has the method ``login`` run; the answer is what that returns."""

    async def receive_json(self, content: dict[str, Any]) -> None:
        answer = await getattr(self, content.pop("do"))(**content)
        await self.send_json(answer)

    async def login(self, name: str, backend: str | None = None) -> str:
        user = await get_user_model().objects.aget(username=name)
        await login(self.scope, user, backend)
        return await self.who()

    async def logout(self) -> str:
        await logout(self.scope)
        return await self.who()

    async def claim(self) -> str:
        return await claim(self.scope)

    async def who(self) -> str:
        return str(self.scope["user"])

    async def get(self) -> dict[str, Any]:
        return dict(self.scope["session"].items())

    async def set(self, **values: Any) -> None:
        self.scope["session"].update(values)

    async def rotate(self) -> None:
        await self.scope["session"].acycle_key()


class DoorInAThread(JsonWebsocketConsumer):
    """See Door."""

    def receive_json(self, content: dict[str, Any]) -> None:
        self.send_json(getattr(self, content.pop("do"))(**content))

    def login(self, name: str, backend: str | None = None) -> str:
        user = get_user_model().objects.get(username=name)
        async_to_sync(login)(self.scope, user, backend)
        return self.who()

    def logout(self) -> str:
        async_to_sync(logout)(self.scope)
        return self.who()

    def claim(self) -> str:
        return async_to_sync(claim)(self.scope)

    def who(self) -> str:
        return str(self.scope["user"])

    def get(self) -> dict[str, Any]:
        return dict(self.scope["session"].items())

    def set(self, **values: Any) -> None:
        self.scope["session"].update(values)


class Guest(Visitor):
    """A visitor who may log in over a socket and claim the cookie."""

    @property
    def key(self) -> str:
        """The session key in the cookie; empty where there is none."""
        return self.session_key or ""

    @key.setter
    def key(self, key: str) -> None:
        self.client.cookies[settings.SESSION_COOKIE_NAME] = key

    async def begin(self) -> Self:
        """Begin a session by HTTP."""
        await self.client.post("/set/", {"basket": "tea"})
        assert self.key
        return self

    async def user(self) -> str:
        """Return whom the site takes this visitor for."""
        return (await self.client.get("/who/")).content.decode()

    async def post(self, claim: str, origin: str | None = ORIGIN) -> HttpResponse:
        """Post a claim as a page of the site does."""
        headers = {"Origin": origin} if origin else {}
        return await self.client.post("/sessions/claim/", {"claim": claim}, headers=headers)

    def door(self, consumer: Any = Door) -> Socket:
        """Open a socket."""
        return self.socket(consumer, headers=[(b"host", b"testserver")])


async def closed(socket: Socket) -> int:
    """Return the code with which the socket is closed next."""
    message = await socket.receive_output()
    assert message["type"] == "websocket.close", message
    return message["code"]


async def _who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(await request.auser()))


async def _set(request: HttpRequest) -> HttpResponse:
    await request.session.aupdate(request.POST.dict())
    return HttpResponse()


async def _get(request: HttpRequest) -> JsonResponse:
    return JsonResponse(dict(await request.session.aitems()))


urlpatterns = [
    path("who/", _who),
    path("set/", _set),
    path("get/", _get),
    path("sessions/", include("redis_sessions.urls")),
]
