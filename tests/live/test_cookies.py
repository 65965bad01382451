"""Cookies of a handshake: what comes in by however many headers, and what goes out with accept."""

import subprocess
import sys
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie
from typing import Any

import pytest
import time_machine
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

from tests.consumers import Counter, Told
from tests.live.visitors import Socket, Visitor


async def cookie_of(socket: Socket) -> Morsel[str] | None:
    """Open the socket and return the session cookie that it sets."""
    async with socket:
        jar: SimpleCookie = SimpleCookie()
        for header in socket.set_cookies:
            jar.load(header)
    [*cookies] = jar.values()
    assert len(cookies) <= 1
    return cookies[0] if cookies else None


async def test_a_session_that_begins_before_accept_sends_its_cookie(visitor: Visitor) -> None:
    cookie = await cookie_of(visitor.socket(Counter))
    visitor.client.cookies[cookie.key] = cookie.value
    assert await visitor.shown() == {"visits": 1}
    async with visitor.socket(Counter) as socket:
        await socket.send_to("?")
        assert await socket.receive_from() == "2"


async def test_a_sync_consumer_sends_the_cookie_too(visitor: Visitor) -> None:
    class Consumer(WebsocketConsumer):
        def connect(self) -> None:
            self.scope["session"]["name"] = "Ada"
            self.accept(headers=[(b"x-own", b"header")])

    async with visitor.socket(Consumer) as socket:
        assert (b"x-own", b"header") in socket.response_headers
        assert len(socket.set_cookies) == 1


async def test_a_session_that_the_consumer_saves_itself_sends_its_cookie(visitor: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            self.scope["session"]["name"] = "Ada"
            await self.scope["session"].asave()
            await self.accept()

    cookie = await cookie_of(visitor.socket(Consumer))
    visitor.client.cookies[cookie.key] = cookie.value
    assert await visitor.shown() == {"name": "Ada"}


async def test_a_key_that_is_rotated_before_accept_is_sent(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.scope["session"].acycle_key()
            await self.accept()

    before = known.session_key
    cookie = await cookie_of(known.socket(Consumer))
    assert (cookie.value[:14], cookie.value != before) == (before[:14], True)
    known.client.cookies[cookie.key] = cookie.value
    assert (await known.shown())["name"] == "Ada"


async def test_the_cookie_has_djangos_default_attributes(visitor: Visitor) -> None:
    with time_machine.travel(1_800_000_000, tick=False):
        cookie = await cookie_of(visitor.socket(Counter))
    assert (cookie.key, len(cookie.value)) == ("sessionid", 40)
    assert {name: value for name, value in cookie.items() if value} == {
        "expires": "Fri, 29 Jan 2027 08:00:00 GMT",
        "path": "/",
        "max-age": "1209600",
        "httponly": True,
        "samesite": "Lax",
    }


@pytest.mark.parametrize(
    ("setting", "value", "attribute", "expected"),
    [
        ("SESSION_COOKIE_AGE", 60, "max-age", "60"),
        ("SESSION_COOKIE_DOMAIN", "example.com", "domain", "example.com"),
        ("SESSION_COOKIE_PATH", "/app", "path", "/app"),
        ("SESSION_COOKIE_SECURE", True, "secure", True),
        ("SESSION_COOKIE_HTTPONLY", False, "httponly", ""),
        ("SESSION_COOKIE_SAMESITE", "Strict", "samesite", "Strict"),
        ("SESSION_COOKIE_SAMESITE", False, "samesite", ""),
        ("SESSION_EXPIRE_AT_BROWSER_CLOSE", True, "max-age", ""),
        ("SESSION_EXPIRE_AT_BROWSER_CLOSE", True, "expires", ""),
    ],
)
async def test_the_cookie_honours_the_setting(
    visitor: Visitor, settings: Any, setting: str, value: Any, attribute: str, expected: Any
) -> None:
    setattr(settings, setting, value)
    cookie = await cookie_of(visitor.socket(Counter))
    assert cookie[attribute] == expected


async def test_the_cookie_has_the_name_of_the_setting(visitor: Visitor, settings: Any) -> None:
    settings.SESSION_COOKIE_NAME = "other"
    cookie = await cookie_of(visitor.socket(Counter))
    visitor.client.cookies["other"] = cookie.value
    async with visitor.socket(Counter) as socket:
        await socket.send_to("?")
        assert (cookie.key, await socket.receive_from()) == ("other", "2")


async def test_the_cookie_has_the_age_that_the_consumer_set(visitor: Visitor) -> None:
    class Consumer(Counter):
        async def connect(self) -> None:
            self.scope["session"].set_expiry(77)
            await super().connect()

    assert (await cookie_of(visitor.socket(Consumer)))["max-age"] == "77"


async def test_a_session_that_is_written_before_accept_renews_its_cookie(known: Visitor) -> None:
    cookie = await cookie_of(known.socket(Counter))
    assert (cookie.value, cookie["max-age"]) == (known.session_key, "1209600")


async def test_a_session_that_is_only_read_sends_no_cookie(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            assert self.scope["session"]["name"] == "Ada"
            await self.accept()

    assert await cookie_of(known.socket(Consumer)) is None


@pytest.mark.parametrize("interval", [0, 60])
async def test_reading_a_rolling_session_renews_the_cookie(
    known: Visitor, settings: Any, interval: int
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    settings.REDIS_SESSIONS = {"TOUCH_INTERVAL": interval}
    cookie = await cookie_of(known.socket(Told))
    assert (cookie.value, cookie["max-age"]) == (known.session_key, "1209600")


async def test_a_rolling_session_sends_its_cookie_only_when_it_was_renewed(
    known: Visitor, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True}
    assert await cookie_of(known.socket(Told)) is None
    with time_machine.travel(timedelta(days=1)):
        assert (await cookie_of(known.socket(Told))).value == known.session_key


@pytest.mark.parametrize("key", ["0" * 40, "unheard-of", "x", ""])
async def test_the_cookie_of_an_unknown_session_is_deleted(visitor: Visitor, key: str) -> None:
    visitor.client.cookies["sessionid"] = key
    cookie = await cookie_of(visitor.socket(Told))
    assert (cookie.key, cookie.value, cookie["max-age"]) == ("sessionid", "", "0")
    assert cookie["expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"


async def test_an_unknown_key_is_not_adopted_by_a_session_that_begins(visitor: Visitor) -> None:
    visitor.client.cookies["sessionid"] = "0" * 40
    cookie = await cookie_of(visitor.socket(Counter))
    assert cookie.value[:14] != "0" * 14


async def test_the_cookie_of_a_session_that_ends_before_accept_is_deleted(
    known: Visitor, redis_client: Any
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.scope["session"].aflush()
            await self.accept()

    cookie = await cookie_of(known.socket(Consumer))
    assert (cookie.value, cookie["max-age"]) == ("", "0")
    assert redis_client.dbsize() == 0


async def test_no_frame_but_accept_carries_a_cookie(visitor: Visitor) -> None:
    async with visitor.socket(Told) as socket:
        await socket.tell("set_and_answer", name="Ada")
        assert await socket.receive_output() == {"type": "websocket.send", "text": '"done"'}


async def test_a_denial_with_a_response_carries_the_cookie(visitor: Visitor) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scope["session"]["name"] = "Ada"
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})

    socket = visitor.socket(application)
    await socket.send_input({"type": "websocket.connect"})
    start, body = await socket.receive_output(), await socket.receive_output()
    assert [name for name, _ in start["headers"]] == [b"set-cookie"]
    assert body == {"type": "websocket.http.response.body", "body": b""}
    await socket.wait()


async def test_all_cookie_headers_are_read(known: Visitor) -> None:
    own = known.cookie_headers()
    known.client.cookies.clear()
    headers = [(b"cookie", b"theme=dark; a=b"), (b"host", b"testserver"), *own]
    async with known.socket(Told, headers=headers) as socket:
        assert (await socket.ask("get"))["name"] == "Ada"


async def test_one_scope_holds_the_cookies_of_all_headers() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["cookies"])
        await receive()

    seen: list[Any] = []
    headers = [(b"cookie", b"a=1"), (b"cookie", b"b=2; c=3")]
    socket = Visitor().socket(application, headers=headers)
    await socket.send_input({"type": "websocket.connect"})
    await socket.wait()
    assert seen == [{"a": "1", "b": "2", "c": "3"}]


def test_live_can_be_imported_before_django_is_set_up() -> None:
    code = "from django.conf import settings; settings.configure(); import redis_sessions.live"
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_a_handshake_may_take_longer_than_a_touch_is_good_for(
    known: Visitor, settings: Any
) -> None:
    class Slow(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            clock.shift(settings.REDIS_SESSIONS["TOUCH_INTERVAL"] + 1)
            await self.accept()

    settings.SESSION_SAVE_EVERY_REQUEST = True
    settings.REDIS_SESSIONS = {"TOUCH_INTERVAL": 60}
    with time_machine.travel(timedelta(0)) as clock:
        cookie = await cookie_of(known.socket(Slow))
    assert cookie.value == known.session_key
