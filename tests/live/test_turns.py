"""Applications of every shape: whoever waits for a message has handled the one before."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from channels.generic.http import AsyncHttpConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.testing import HttpCommunicator
from django.urls import path

from redis_sessions.exceptions import SessionGone
from redis_sessions.live import LiveSessionMiddleware, LiveSessionMiddlewareStack
from redis_sessions.live.auth import LiveAuthMiddleware
from redis_sessions.live.cookies import CookieMiddleware
from redis_sessions.live.turns import Inbox
from tests.consumers import Told
from tests.live.visitors import BOUND, Visitor, until

ACCEPT = {"type": "websocket.accept"}


async def awaiting(scope: Any, receive: Any, send: Any) -> None:
    """Only await ``receive()``."""
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] != "websocket.disconnect":
        scope["session"]["name"] = message["text"]


async def waiting_with_a_timeout(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    while True:
        try:
            message = await asyncio.wait_for(receive(), 0.01)
        except TimeoutError:
            continue
        if message["type"] == "websocket.disconnect":
            break
        scope["session"]["name"] = message["text"]


async def waiting_for_two(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    other = asyncio.get_running_loop().create_future()
    while True:
        message = asyncio.ensure_future(receive())
        await asyncio.wait([message, other], return_when=asyncio.FIRST_COMPLETED)
        if message.result()["type"] == "websocket.disconnect":
            break
        scope["session"]["name"] = message.result()["text"]


@pytest.mark.parametrize("application", [awaiting, waiting_with_a_timeout, waiting_for_two])
async def test_an_application_without_channels_is_saved_too(
    known: Visitor, application: Any
) -> None:
    async with known.socket(application) as socket:
        for name in ("Grace", "Alan"):
            await socket.send_to(name)
            await until(lambda name=name: known.stored()["name"] == name)


async def test_a_value_that_cannot_be_serialised_raises_where_an_application_waits(
    known: Visitor,
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        scope["session"]["list"].append(object())
        with pytest.raises(TypeError, match="'list'"):
            await receive()
        scope["session"]["list"].pop()
        await send({"type": "websocket.send", "text": "caught"})
        await receive()

    async with known.socket(application) as socket:
        assert await socket.receive_from() == "caught"


async def test_a_router_leads_to_consumers_with_the_session(known: Visitor) -> None:
    router = URLRouter([path("told/<int:number>/", Told.as_asgi())])
    application = ProtocolTypeRouter({"websocket": LiveSessionMiddlewareStack(router)})
    async with known.raw_socket(application, "/told/1/") as socket:
        assert (await socket.ask("get"))["name"] == "Ada"


@pytest.mark.parametrize("is_outside", [True, False])
async def test_origins_are_checked_around_the_stack_or_in_it(
    known: Visitor, *, is_outside: bool
) -> None:
    if is_outside:
        application = AllowedHostsOriginValidator(LiveSessionMiddlewareStack(Told.as_asgi()))
    else:
        application = LiveSessionMiddlewareStack(AllowedHostsOriginValidator(Told.as_asgi()))
    at_home = [(b"origin", b"http://testserver")]
    async with known.raw_socket(application, headers=at_home) as socket:
        await socket.tell("set", name="Grace")
        await until(lambda: known.stored()["name"] == "Grace")
    elsewhere = known.raw_socket(application, headers=[(b"origin", b"http://elsewhere.example")])
    assert await elsewhere.connect() == (False, 1000)
    await elsewhere.leave()


def wrapping(inner: Any) -> Callable[..., Any]:
    """Wrap ``receive`` and ``send`` in coroutine functions, as many a middleware does."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async def wrapped_receive() -> Any:
            return await receive()

        async def wrapped_send(message: Any) -> None:
            await send(message)

        await inner(scope, wrapped_receive, wrapped_send)

    return application


async def test_a_frame_is_saved_where_a_middleware_wraps_receive(known: Visitor) -> None:
    async with known.socket(wrapping(Told.as_asgi())) as socket:
        await socket.tell("set", name="Grace")
        await until(lambda: known.stored()["name"] == "Grace")


@pytest.mark.parametrize("then", ["a frame comes", "a frame leaves", "the client leaves"])
async def test_an_event_is_saved_with_what_comes_next_where_a_middleware_wraps_receive(
    known: Visitor, then: str
) -> None:
    class Consumer(Told):
        groups = ("all",)

        async def event(self, message: Any) -> None:
            await super().event(message)
            handled.set()

        async def push(self, message: Any) -> None:
            await self.send_json("pushed")

    handled = asyncio.Event()
    async with known.socket(wrapping(Consumer.as_asgi())) as socket:
        event = {"type": "event", "values": {"name": "Grace"}}
        await get_channel_layer().group_send("all", event)
        await asyncio.wait_for(handled.wait(), 5)
        if then == "a frame comes":
            await socket.tell("set", more=1)
            await until(lambda: known.stored()["name"] == "Grace")
        elif then == "a frame leaves":
            await get_channel_layer().group_send("all", {"type": "push"})
            await socket.receive_output()
            assert known.stored()["name"] == "Grace"
    assert known.stored()["name"] == "Grace"


async def get_page(visitor: Visitor, consumer: Any) -> dict[str, Any]:
    application = LiveSessionMiddlewareStack(consumer.as_asgi())
    page = HttpCommunicator(application, "GET", "/", headers=visitor.cookie_headers())
    response = await page.get_response(timeout=5)
    await page.wait()
    return response


class Page(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        session = self.scope["session"]
        session["visits"] = session.get("visits", 0) + 1
        await self.send_response(200, str(session["visits"]).encode())


async def test_an_http_consumer_has_the_session_and_sets_its_cookie(visitor: Visitor) -> None:
    response = await get_page(visitor, Page)
    assert response["body"] == b"1"
    [cookie] = [value for name, value in response["headers"] if name == b"set-cookie"]
    visitor.client.cookies.load(cookie.decode())
    assert (await get_page(visitor, Page))["body"] == b"2"
    assert await visitor.shown() == {"visits": 2}


async def test_an_http_consumer_whose_session_ended_meanwhile_raises(known: Visitor) -> None:
    class Interrupted(Page):
        async def handle(self, body: bytes) -> None:
            await known.visit("end")
            await super().handle(body)

    async def request() -> Any:
        return {"type": "http.request"}

    application = LiveSessionMiddlewareStack(Interrupted.as_asgi())
    scope = {"type": "http", "method": "GET", "path": "/", "headers": known.cookie_headers()}
    sent: list[Any] = []
    with pytest.raises(SessionGone):
        async with asyncio.timeout(BOUND):
            await application(scope, request, sent.append)
    assert sent == []


async def test_a_message_that_comes_when_its_wait_is_cancelled_is_not_lost() -> None:
    async def receive() -> Any:
        message = await messages.get()
        if len(waits) == 1:
            asyncio.get_running_loop().call_soon(waits[0].cancel)  # before it can wake
        return message

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async def wait() -> Any:
            return await receive()

        for _ in range(3):
            waits.append(asyncio.ensure_future(wait()))
            await asyncio.wait(waits, timeout=5)

    waits: list[asyncio.Future[Any]] = []
    messages: asyncio.Queue[Any] = asyncio.Queue()
    for message in ("first", "second"):
        messages.put_nowait({"type": message})
    await LiveSessionMiddlewareStack(application)(
        {"type": "websocket", "headers": []}, receive, None
    )
    assert waits[0].cancelled()
    assert [wait.result()["type"] for wait in waits[1:]] == ["first", "second"]


async def test_an_error_of_the_server_reaches_the_consumer_and_leaves_no_task() -> None:
    async def receive() -> Any:
        await asyncio.sleep(0)
        raise ConnectionResetError

    application = LiveSessionMiddlewareStack(Told.as_asgi())
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(BOUND):
            await application({"type": "websocket", "headers": []}, receive, None)


async def test_a_server_that_cancels_its_receive_cancels_the_consumer() -> None:
    async def receive() -> Any:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    application = LiveSessionMiddlewareStack(Told.as_asgi())
    running = asyncio.ensure_future(
        application({"type": "websocket", "headers": []}, receive, None)
    )
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()


async def pass_on(message: Any) -> None:
    """Do nothing before a message."""


async def test_an_inbox_that_is_closed_no_longer_waits_for_the_server() -> None:
    cancelled = []

    async def receive() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    inbox = Inbox(receive, pass_on, lambda: None)
    turn = inbox.receive()
    await asyncio.sleep(0)
    inbox.close()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await until(lambda: cancelled)


async def test_an_inbox_gives_each_message_once_and_in_order() -> None:
    inbox = Inbox(asyncio.get_running_loop().create_future, pass_on, lambda: None)
    turn = inbox.receive()
    for message in ("first", "second"):
        inbox.put(message)
    inbox.fail(ZeroDivisionError())  # nobody waits
    assert [await turn, await inbox.receive()] == ["first", "second"]
    inbox.close()


async def test_the_middleware_says_what_has_to_be_around_it() -> None:
    with pytest.raises(ValueError, match="CookieMiddleware"):
        await LiveSessionMiddleware(None)({"type": "websocket"}, None, None)
    with pytest.raises(ValueError, match="LiveSessionMiddleware"):
        await LiveAuthMiddleware(None)({"type": "websocket"}, None, None)
    with pytest.raises(ValueError, match="headers"):
        await CookieMiddleware(None)({"type": "lifespan"}, None, None)
