"""What the package offers to the tests of a site."""

from typing import Any

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import User
from django.test import AsyncClient

from redis_sessions.live import LiveSessionMiddlewareStack
from redis_sessions.session import SessionStore
from redis_sessions.testing import connected, wait_until


class Echo(AsyncJsonWebsocketConsumer):
    """Tells who is there; refuses those who ask for it."""

    async def connect(self) -> None:
        if b"refuse" in self.scope["query_string"]:
            await self.close()
        else:
            await self.accept()

    async def receive_json(self, content: dict[str, Any]) -> None:
        self.scope["session"]["said"] = content["say"]
        await self.send_json({"user": str(self.scope["user"])})


pytestmark = pytest.mark.django_db(transaction=True)  # a consumer closes old connections

APPLICATION = LiveSessionMiddlewareStack(Echo.as_asgi())


async def test_a_socket_has_the_session_of_a_client_that_logged_in(live_socket: Any) -> None:
    client = AsyncClient()
    await client.aforce_login(await User.objects.acreate_user("ada"))
    socket = await live_socket(APPLICATION, "/ws/", client)
    await socket.send_json_to({"say": "hello"})
    assert await socket.receive_json_from() == {"user": "ada"}
    session = SessionStore(client.cookies["sessionid"].value)
    assert await session.aget("said") == "hello"


async def test_a_socket_without_a_client_has_no_session() -> None:
    async with connected(APPLICATION, "/ws/") as socket:
        await socket.send_json_to({"say": "hello"})
        assert await socket.receive_json_from() == {"user": "AnonymousUser"}


async def test_a_socket_that_is_not_accepted_is_an_error() -> None:
    with pytest.raises(ConnectionRefusedError):
        async with connected(APPLICATION, "/ws/?refuse"):
            pass


async def test_what_becomes_true_is_waited_for() -> None:
    answers = iter([None, 0, "yes"])
    assert await wait_until(lambda: next(answers)) == "yes"


async def test_a_coroutine_is_asked_too() -> None:
    async def answer() -> int:
        return 1

    assert await wait_until(answer) == 1


async def test_what_never_becomes_true_is_an_error() -> None:
    with pytest.raises(TimeoutError):
        await wait_until(lambda: False, within=0.05)
