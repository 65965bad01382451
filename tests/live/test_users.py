"""Log in and out over a socket: what HTTP, the other sockets and the page then have."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model, user_logged_in, user_logged_out
from django.contrib.auth.backends import ModelBackend

from redis_sessions.exceptions import TooManySessions
from redis_sessions.live import CloseCode, login, logout
from redis_sessions.session import SessionStore
from tests.doors import BACKEND, Door, DoorInAThread, Guest, closed
from tests.live.visitors import BOUND

LOGGED_IN, LOGGED_OUT = CloseCode.LOGGED_IN, CloseCode.LOGGED_OUT


class LogsOutLater(Door):
    """Logs out in a task of its own."""

    async def later(self) -> None:
        self.task = asyncio.ensure_future(logout(self.scope))


class OtherBackend(ModelBackend):
    """A second backend."""


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.doors"


@pytest.fixture(autouse=True)
def ada(transactional_db: None) -> Any:
    """Two users, ada and eve."""
    get_user_model().objects.create_user("eve")
    return get_user_model().objects.create_user("ada")


@pytest.fixture(params=[Door, DoorInAThread])
def door(request: pytest.FixtureRequest) -> Any:
    """An async and a sync consumer."""
    return request.param


@pytest.fixture
def signals() -> Iterator[list[tuple[str, str, str]]]:
    """What the receivers of both signals were told: which, whose, and from which address."""
    seen: list[tuple[str, str, str]] = []

    def logged_in(request: Any, user: Any, **_: Any) -> None:
        seen.append(("in", str(user), request.headers["Host"]))

    def logged_out(request: Any, user: Any, **_: Any) -> None:
        seen.append(("out", str(user), request.headers["Host"]))

    user_logged_in.connect(logged_in)
    user_logged_out.connect(logged_out)
    yield seen
    user_logged_in.disconnect(logged_in)
    user_logged_out.disconnect(logged_out)


async def test_a_login_over_a_socket_is_a_login_of_its_session(door: Any) -> None:
    guest = await Guest().begin()
    async with guest.door(door) as socket:
        assert await socket.ask("who") == "AnonymousUser"
        assert await socket.ask("login", name="ada") == "ada"
        assert await socket.ask("who") == "ada"
        assert await socket.ask("set", colour="red") is None
        await guest.post(await socket.ask("claim"))
    assert await guest.user() == "ada"
    held = (await guest.client.get("/get/")).json()
    assert (held["basket"], held["colour"]) == ("tea", "red")


async def test_a_login_exchanges_the_key_and_keeps_the_id(door: Any) -> None:
    guest = await Guest().begin()
    planted = guest.key
    async with guest.door(door) as socket:
        await socket.ask("login", name="ada")
        await guest.post(await socket.ask("claim"))
    assert guest.key[:14] == planted[:14]
    assert guest.key[14:] != planted[14:]
    other = Guest()
    other.key = planted
    assert await other.user() == "AnonymousUser"


async def test_a_login_closes_the_other_sockets_which_never_see_what_it_stored(door: Any) -> None:
    guest = await Guest().begin()
    async with guest.door(door) as other, guest.door(door) as socket:
        await socket.ask("login", name="ada")
        await socket.ask("set", secret="42")
        assert await closed(other) == LOGGED_IN
        await other.wait(BOUND)
        assert await socket.ask("get") == await socket.ask("get")
        assert other.output_queue.empty()


async def test_a_question_that_races_with_a_login_is_answered_without_its_data(door: Any) -> None:
    guest = await Guest().begin()
    async with guest.door(door) as other, guest.door(door) as socket:
        await other.send_json_to({"do": "get"})
        await asyncio.gather(
            socket.ask("login", name="ada"), *[other.send_json_to({"do": "get"}) for _ in range(5)]
        )
        seen = []
        while (message := await other.receive_output())["type"] == "websocket.send":
            seen.append(message["text"])
        assert message["code"] == LOGGED_IN
        assert set(seen) == {'{"basket": "tea"}'}


async def test_a_login_before_anything_was_stored_begins_a_session(door: Any) -> None:
    guest = Guest()
    async with guest.door(door) as socket:
        assert socket.set_cookies == []
        assert await socket.ask("login", name="ada") == "ada"
        await guest.post(await socket.ask("claim"))
    assert await guest.user() == "ada"


async def test_a_login_from_a_task_of_the_consumer_keeps_its_socket_open() -> None:
    class Tasks(Door):
        async def later(self) -> None:
            self.task = asyncio.ensure_future(self.in_a_task())

        async def in_a_task(self) -> None:
            await self.send_json(await self.login("ada"))

    guest = await Guest().begin()
    async with guest.door(Tasks) as socket, guest.door(Tasks) as other:
        assert await socket.ask("later") is None
        assert await socket.receive_json_from() == "ada"
        assert await socket.ask("who") == "ada"
        assert await closed(other) == LOGGED_IN


async def test_a_login_before_accept_sends_the_cookie_with_it() -> None:
    class Early(Door):
        async def connect(self) -> None:
            await self.login("ada")
            await self.accept()

    guest = await Guest().begin()
    async with guest.door(Early) as socket:
        [cookie] = socket.set_cookies
    guest.key = cookie.partition("=")[2][:40]
    assert await guest.user() == "ada"


async def test_a_login_of_another_user_begins_a_session_with_nothing_of_the_first(
    door: Any, redis_client: redis.Redis
) -> None:
    guest = await Guest().begin()
    async with guest.door(door) as socket:
        await socket.ask("login", name="ada")
        await guest.post(await socket.ask("claim"))
    former = guest.key
    async with guest.door(door) as other, guest.door(door) as socket:
        assert await socket.ask("who") == "ada"
        assert await socket.ask("login", name="eve") == "eve"
        assert "basket" not in await socket.ask("get")
        assert await closed(other) == LOGGED_OUT
        await guest.post(await socket.ask("claim"))
    assert await guest.user() == "eve"
    assert guest.key[:14] != former[:14]
    records = [key.decode() for key in redis_client.scan_iter("session:{*")]
    assert records == [f"session:{{{guest.key[:14]}}}"]


async def test_a_login_is_stored_when_it_returns() -> None:
    class Careful(Door):
        async def login_and_read(self) -> str:
            await self.login("ada")
            stored = SessionStore(self.scope["session"].session_key)
            return await stored.aget("_auth_user_backend")

    async with Guest().door(Careful) as socket:
        assert await socket.ask("login_and_read") == BACKEND


async def test_a_refused_login_leaves_session_and_user_as_they_were(settings: Any) -> None:
    class Careful(Door):
        async def try_to_log_in(self) -> str:
            try:
                return await self.login("ada")
            except TooManySessions:
                return "refused"

    settings.REDIS_SESSIONS = {"MAX_SESSIONS_PER_USER": 1, "OVER_LIMIT": "refuse"}
    first, second = await Guest().begin(), await Guest().begin()
    async with first.door(Careful) as socket, second.door(Careful) as other:
        assert await socket.ask("try_to_log_in") == "ada"
        assert await other.ask("try_to_log_in") == "refused"
        assert await other.ask("who") == "AnonymousUser"
        await second.post(await other.ask("claim"))
    assert await second.user() == "AnonymousUser"


async def test_a_second_login_of_the_same_user_keeps_the_key(door: Any) -> None:
    guest = await Guest().begin()
    async with guest.door(door) as socket:
        await socket.ask("login", name="ada")
        await guest.post(await socket.ask("claim"))
    async with guest.door(door) as other, guest.door(door) as socket:
        assert await socket.ask("login", name="ada") == "ada"
        assert await other.ask("who") == "ada"
    assert await guest.user() == "ada"


async def test_the_user_of_the_scope_can_be_logged_in_again() -> None:
    class Again(Door):
        async def again(self) -> str:
            await login(self.scope, self.scope["user"], BACKEND)
            return await self.who()

    guest = await Guest().begin()
    async with guest.door(Again) as socket:
        await socket.ask("login", name="ada")
        assert await socket.ask("again") == "ada"
        assert await socket.ask("who") == "ada"


async def test_login_and_logout_send_djangos_signals_with_what_the_handshake_said(
    door: Any, signals: list[tuple[str, str, str]]
) -> None:
    guest = await Guest().begin()
    async with guest.door(door) as socket:
        await socket.ask("login", name="ada")
        await socket.ask("logout")
    assert signals == [("in", "ada", "testserver"), ("out", "ada", "testserver")]


async def test_a_login_notes_when_it_was(door: Any, ada: Any) -> None:
    async with Guest().door(door) as socket:
        await socket.ask("login", name="ada")
    await sync_to_async(ada.refresh_from_db)()
    assert ada.last_login is not None


async def test_of_several_backends_one_has_to_be_named(door: Any, settings: Any) -> None:
    other = f"{__name__}.OtherBackend"
    settings.AUTHENTICATION_BACKENDS = [BACKEND, other]
    guest = Guest()
    async with guest.door(door) as socket:
        assert await socket.ask("login", name="ada", backend=other) == "ada"
        assert (await socket.ask("get"))["_auth_user_backend"] == other
    with pytest.raises(ValueError, match="multiple authentication backends"):
        async with guest.door(door) as socket:
            await socket.ask("login", name="ada")


async def test_a_logout_closes_every_socket_of_the_session_this_one_too(
    door: Any, redis_client: redis.Redis
) -> None:
    codes = []

    class Recording(door):
        def disconnect(self, code: int) -> Any:
            codes.append(code)
            return super().disconnect(code)

    guest = await Guest().begin()
    async with guest.door(Recording) as other, guest.door(Recording) as socket:
        assert await socket.ask("logout") == "AnonymousUser"
        assert [await closed(socket), await closed(other)] == [LOGGED_OUT, LOGGED_OUT]
        await asyncio.gather(socket.wait(BOUND), other.wait(BOUND))
    assert codes == [LOGGED_OUT, LOGGED_OUT]
    assert redis_client.dbsize() == 0


async def test_a_logout_ends_what_a_login_over_the_same_socket_began(
    door: Any, redis_client: redis.Redis
) -> None:
    guest = Guest()
    async with guest.door(door) as socket:
        await socket.ask("login", name="ada")
        await guest.post(await socket.ask("claim"))
        assert await guest.user() == "ada"
        assert await socket.ask("logout") == "AnonymousUser"
        assert await closed(socket) == LOGGED_OUT
    assert await guest.user() == "AnonymousUser"
    assert [*redis_client.scan_iter("session:{*")] == []


async def test_a_logout_from_a_task_of_the_consumer_closes_its_socket() -> None:
    guest = await Guest().begin()
    async with guest.door(LogsOutLater) as socket:
        assert await socket.ask("later") is None
        assert await closed(socket) == LOGGED_OUT


async def test_a_logout_from_a_task_of_a_consumer_closes_the_others_sockets() -> None:
    guest = await Guest().begin()
    async with guest.door(LogsOutLater) as socket, guest.door() as other:
        assert await socket.ask("later") is None
        assert [await closed(socket), await closed(other)] == [LOGGED_OUT, LOGGED_OUT]


async def test_a_logout_of_nobody_without_a_session_leaves_the_socket_open(door: Any) -> None:
    async with Guest().door(door) as socket:
        assert await socket.ask("logout") == "AnonymousUser"
        assert await socket.ask("who") == "AnonymousUser"


async def test_a_socket_with_the_key_before_a_login_is_told_to_connect_again(door: Any) -> None:
    guest = await Guest().begin()
    async with guest.door(door) as socket:
        await socket.ask("login", name="ada")
        async with guest.door(door) as late:  # the page has not got the new cookie yet
            assert await closed(late) == LOGGED_IN
