"""A browser without a screen: HTTP and sockets with one jar of cookies, on a site that logs in."""

import asyncio
from typing import Any, Self

from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient
from django.urls import include, path

from redis_sessions.live import LiveSessionMiddlewareStack, claim, login, logout

BOUND = 10  # seconds, for whatever should come about soon
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


class Socket(WebsocketCommunicator):
    """A socket, open inside ``async with``."""

    async def __aenter__(self) -> Self:
        accepted, _ = await self.connect(BOUND)
        assert accepted
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is None and not self.future.done():
            await self.disconnect(timeout=BOUND)
        self.stop(exceptions=False)

    async def receive_output(self, timeout: float = BOUND) -> Any:  # noqa: ASYNC109 - Channels' signature
        """Return the next message, or raise what the application raised."""
        output = asyncio.ensure_future(self.output_queue.get())
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait([output, self.future], timeout=BOUND, return_when=first)
        if output.done():
            return output.result()
        output.cancel()
        if self.future.done():
            self.future.result()
        raise AssertionError("nothing was sent")

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Tell the consumer to do something, and return its answer."""
        await self.send_json_to({"do": do, **arguments})
        return await self.receive_json_from()

    async def code(self) -> int:
        """Return the code with which the socket is closed next."""
        message = await self.receive_output()
        assert message["type"] == "websocket.close", message
        return message["code"]

    @property
    def cookies(self) -> list[str]:
        """What the accepted handshake sets."""
        return [value.decode() for name, value in self.response_headers if name == b"set-cookie"]


class Browser:
    """Somebody's browser. Its sockets take the cookies that its requests were given."""

    def __init__(self) -> None:
        self.client = AsyncClient()

    @property
    def key(self) -> str:
        """The session key in the cookie; empty where there is none."""
        morsel = self.client.cookies.get(settings.SESSION_COOKIE_NAME)
        return morsel.value if morsel else ""

    @key.setter
    def key(self, key: str) -> None:
        self.client.cookies[settings.SESSION_COOKIE_NAME] = key

    async def begin(self, **values: str) -> "Browser":
        """Begin a session by HTTP."""
        await self.client.post("/set/", values or {"basket": "tea"})
        assert self.key
        return self

    async def user(self) -> str:
        """Return whom the site takes this browser for."""
        return (await self.client.get("/who/")).content.decode()

    async def post(self, claim: str, origin: str | None = ORIGIN) -> HttpResponse:
        """Post a claim as a page of the site does."""
        headers = {"Origin": origin} if origin else {}
        return await self.client.post("/sessions/claim/", {"claim": claim}, headers=headers)

    def socket(self, consumer: Any = Door) -> Socket:
        cookie = f"{settings.SESSION_COOKIE_NAME}={self.key}".encode()
        headers = [(b"host", b"testserver"), *([(b"cookie", cookie)] if self.key else [])]
        return Socket(LiveSessionMiddlewareStack(consumer.as_asgi()), "/", headers)


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
