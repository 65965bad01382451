"""``scope["user"]``: by Django's rules, and a socket never changes the session over it."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from django.contrib.auth.backends import BaseBackend
from django.db import connection

from redis_sessions.live.auth import aget_user
from redis_sessions.session import SessionStore
from tests.live.visitors import Visitor
from tests.observers import contents

BACKEND = "tests.live.test_auth.Guests"


class Guests(BaseBackend):
    """A backend of a site's own, whose users are no models and have no session hash."""

    async def aget_user(self, user_id: int) -> Any:
        return f"guest {user_id}"


class Who(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        user = self.scope["user"]
        await self.accept()
        await self.send_json([str(user), getattr(user, "is_authenticated", None)])


class WhoSync(JsonWebsocketConsumer):
    def connect(self) -> None:
        user = self.scope["user"]
        self.accept()
        self.send_json([str(user), getattr(user, "is_authenticated", None)])


ANONYMOUS = ["AnonymousUser", False]
ADA = ["ada", True]


@pytest.fixture
async def logged_in(visitor: Visitor, ada: Any) -> Visitor:
    await visitor.visit("log-in")
    return visitor


async def user_of(visitor: Visitor, consumer: Any = Who) -> Any:
    async with visitor.socket(consumer) as socket:
        assert socket.set_cookies == []
        return await socket.receive_json_from()


@pytest.mark.parametrize("consumer", [Who, WhoSync])
async def test_a_visitor_who_logged_in_is_the_user(logged_in: Visitor, consumer: Any) -> None:
    assert await user_of(logged_in, consumer) == ADA


async def test_somebody_who_did_not_log_in_is_anonymous(known: Visitor, visitor: Visitor) -> None:
    assert await user_of(known) == ANONYMOUS
    assert await user_of(Visitor()) == ANONYMOUS


async def change_password(user: Any, settings: Any) -> None:
    user.set_password("another")
    await user.asave()


async def deactivate(user: Any, settings: Any) -> None:
    user.is_active = False
    await user.asave()


async def delete(user: Any, settings: Any) -> None:
    await user.adelete()


async def withdraw_backend(user: Any, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [BACKEND]


@pytest.mark.parametrize("change", [change_password, deactivate, delete, withdraw_backend])
async def test_a_login_that_no_longer_counts_is_anonymous_and_stays_as_it_is(
    logged_in: Visitor, ada: Any, settings: Any, redis_client: redis.Redis, change: Callable
) -> None:
    settings.REDIS_SESSIONS = {"END_WITH_USER": False}
    await change(ada, settings)
    before = contents(redis_client)
    assert await user_of(logged_in) == ANONYMOUS
    assert contents(redis_client) == before
    assert logged_in.stored().keys() == {"_auth_user_id", "_auth_user_backend", "_auth_user_hash"}


async def test_a_login_under_a_fallback_of_the_secret_key_counts_and_stays_as_it_is(
    logged_in: Visitor, settings: Any, redis_client: redis.Redis
) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    before = contents(redis_client)
    assert await user_of(logged_in) == ADA
    assert contents(redis_client) == before
    settings.SECRET_KEY_FALLBACKS = []
    assert await user_of_stranger(logged_in) == ANONYMOUS
    assert contents(redis_client) == before


async def user_of_stranger(visitor: Visitor) -> Any:
    """Return the user of a visitor whose cookie is deleted."""
    async with visitor.socket(Who) as socket:
        assert len(socket.set_cookies) == 1
        return await socket.receive_json_from()


async def test_a_forged_hash_is_anonymous(logged_in: Visitor) -> None:
    for forged in ("", None, "0" * 64):
        await logged_in.change(_auth_user_hash=forged)
        assert await user_of(logged_in) == ANONYMOUS


async def test_a_session_without_its_backend_is_anonymous(logged_in: Visitor) -> None:
    await logged_in.change(_auth_user_backend="os.path")
    assert await user_of(logged_in) == ANONYMOUS


async def test_a_user_of_a_sites_own_backend_needs_no_hash(
    logged_in: Visitor, ada: Any, settings: Any
) -> None:
    settings.AUTHENTICATION_BACKENDS = [BACKEND]
    await logged_in.change(_auth_user_backend=BACKEND)
    assert await user_of(logged_in) == [f"guest {ada.pk}", None]


async def test_a_broken_connection_to_the_database_is_closed_before_the_user_is_read(
    logged_in: Visitor,
) -> None:
    def spoil() -> None:
        connection.ensure_connection()
        connection.errors_occurred = True

    session = SessionStore(logged_in.session_key)
    await session.aload()
    await sync_to_async(spoil)()
    assert (await aget_user(session)).username == "ada"
    assert not await sync_to_async(lambda: connection.errors_occurred)()
