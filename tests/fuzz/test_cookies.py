"""Cookie headers by whom nobody knows: no session, no error, and no key that they have chosen."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from hypothesis import strategies as st

from redis_sessions.session import SessionStore
from tests.doors import Door
from tests.fuzz.hostile import PRIVATE, cookies
from tests.live.visitors import Visitor
from tests.observers import contents
from tests.people import credentials, person
from tests.properties import fuzz

Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.doors"


@pytest.fixture
def victim(redis_client: redis.Redis) -> SessionStore:
    """Somebody who is logged in."""
    session = SessionStore()
    session.update({**credentials(person()), "private": PRIVATE})
    session.save()
    return session


@pytest.fixture(params=["WSGI", "ASGI"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Send a request of a browser's own with these Cookie headers."""

    def by_wsgi(method: str, url: str, headers: list[str], **form: str) -> Any:
        return getattr(Client(), method)(url, form, HTTP_COOKIE="; ".join(headers))

    async def by_asgi(method: str, url: str, headers: list[str], **form: str) -> Any:
        client = AsyncClient()
        first, *others = headers or [""]
        client.cookies.load("a=b")  # which makes it two headers
        joined = "; ".join([first, *others])
        return await getattr(client, method)(url, form, headers={"cookie": joined})

    return by_wsgi if request.param == "WSGI" else async_to_sync(by_asgi)


def set_key(cookies: Any) -> str:
    """Return the session key that a response sets; empty where it sets or leaves none."""
    return cookies["sessionid"].value if "sessionid" in cookies else ""


def drawn(data: st.DataObject, victim: SessionStore) -> list[str]:
    return data.draw(st.lists(cookies(str(victim.session_key)), max_size=3), label="cookies")


@fuzz(40, data=st.data())
def test_no_cookie_of_a_strangers_shows_a_session_or_fails(
    victim: SessionStore, redis_client: redis.Redis, ask: Ask, data: st.DataObject
) -> None:
    before = contents(redis_client)
    response = ask("get", "/get/", drawn(data, victim))
    assert (response.status_code, response.content) == (200, b"{}")
    assert set_key(response.cookies) == ""
    assert contents(redis_client) == before


@fuzz(40, data=st.data())
def test_a_session_that_begins_has_no_key_that_somebody_has_chosen(
    victim: SessionStore, redis_client: redis.Redis, ask: Ask, data: st.DataObject
) -> None:
    headers, before = drawn(data, victim), contents(redis_client)
    response = ask("post", "/set/", headers, basket="tea")
    made = set_key(response.cookies)
    assert (response.status_code, len(made)) == (200, 40)
    assert not any(made[:14] in header for header in headers)
    after = contents(redis_client)
    assert after.pop(f"session:{{{made[:14]}}}".encode())
    assert after == before
    redis_client.delete(f"session:{{{made[:14]}}}")


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@fuzz(30, data=st.data())
@pytest.mark.usefixtures("transactional_db")
def test_no_cookie_of_a_strangers_opens_a_socket_to_a_session(
    victim: SessionStore, redis_client: redis.Redis, runner: asyncio.Runner, data: st.DataObject
) -> None:
    headers = drawn(data, victim)
    before = contents(redis_client)
    runner.run(_begins_over_a_socket(headers))
    after = contents(redis_client)
    [begun] = after.keys() - before.keys()
    assert not any(begun.decode()[len("session:{") : -1] in header for header in headers)
    del after[begun]
    assert after == before
    redis_client.delete(begun)


async def _begins_over_a_socket(headers: list[str]) -> None:
    """Open a socket, look at its session, and have it begin one."""
    raw = [(b"cookie", header.encode("latin-1")) for header in headers]
    async with Visitor().socket(Door, headers=raw) as socket:
        assert all("Max-Age=0" in cookie for cookie in socket.set_cookies)
        assert await socket.ask("get") == {}
        assert await socket.ask("who") == "AnonymousUser"
        assert await socket.ask("set", basket="tea") is None
