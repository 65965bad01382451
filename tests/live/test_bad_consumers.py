"""Consumers that hold the event loop up, never accept, or deny: nothing of them is left."""

import asyncio
import time
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

from redis_sessions.live import CloseCode
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.consumers import Told
from tests.live.endings import close, recording
from tests.live.test_hub_faults import kill_listeners
from tests.live.visitors import Visitor, until
from tests.live.wires import Wire, lives, nobody_listens_afterwards, serving

assert nobody_listens_afterwards
pytestmark = pytest.mark.usefixtures("nobody_listens_afterwards")
LOGGED_OUT = CloseCode.LOGGED_OUT


@pytest.fixture
async def other() -> Visitor:
    """Somebody else, who has a session too."""
    visitor = Visitor()
    await visitor.change(name="Grace")
    return visitor


@pytest.fixture
def _impatient(settings: Any, server: Any) -> None:
    """A site's own timeouts: those of the tests are longer than a consumer holds the loop up."""
    settings.CACHES = caches(server.url)


class Blocking(Told):
    async def block(self) -> None:
        time.sleep(2)  # noqa: ASYNC251 - nothing else runs meanwhile


def soon(visitor: Visitor, do: str) -> asyncio.Future[None]:
    """Have a thread end or change the session while the event loop is held up."""

    def act() -> None:
        time.sleep(0.5)
        session = SessionStore(visitor.session_key)
        if do == "end":
            session.flush()
        else:
            session["name"] = "Alan"
            session.save()

    return asyncio.ensure_future(asyncio.to_thread(act))


@pytest.mark.usefixtures("_impatient")
async def test_a_consumer_that_held_the_loop_up_finds_what_was_changed_meanwhile(
    known: Visitor, other: Visitor
) -> None:
    async with known.socket(Blocking) as socket, other.socket(Told) as apart:
        await asyncio.gather(socket.ask("get"), apart.ask("get"))
        changing = soon(known, "change")
        await socket.tell("block")
        await apart.tell("set_and_answer", name="Edsger")
        assert (await socket.ask("get"))["name"] == "Alan"
        assert await apart.receive_json_from() == "done"
        await changing
    assert other.stored() == {"name": "Edsger"}


@pytest.mark.usefixtures("_impatient")
async def test_a_consumer_that_held_the_loop_up_is_closed_with_its_session(
    known: Visitor, other: Visitor
) -> None:
    codes: list[int] = []
    async with known.socket(recording(Blocking, codes)) as socket, other.socket(Told) as apart:
        await asyncio.gather(socket.ask("get"), apart.ask("get"))
        ending = soon(known, "end")
        await socket.tell("block")
        assert await socket.receive_output() == close(LOGGED_OUT)
        await socket.wait()
        assert codes == [LOGGED_OUT]
        assert await apart.ask("get") == {"name": "Grace"}
        await ending


@pytest.mark.usefixtures("_impatient")
async def test_a_save_that_was_under_way_when_the_loop_was_held_up_is_not_lost(
    known: Visitor, other: Visitor, redis_client: redis.Redis
) -> None:
    async with known.socket(Blocking) as socket, other.socket(Told) as apart:
        await asyncio.gather(socket.ask("get"), apart.ask("get"))
        redis_client.client_pause(200)
        await apart.tell("set_and_answer", name="Edsger")
        await until(lambda: [live for live in lives(other) if live.session.is_saving])
        await socket.tell("block")
        assert await apart.receive_json_from() == "done"
    assert other.stored() == {"name": "Edsger"}


class Undecided(AsyncWebsocketConsumer):
    """Neither accepts nor closes."""

    async def connect(self) -> None:
        self.scope["session"]["name"] = "Grace"


class UndecidedSync(WebsocketConsumer):
    """See Undecided."""

    def connect(self) -> None:
        self.scope["session"]["name"] = "Grace"


@pytest.mark.parametrize("consumer", [Undecided, UndecidedSync])
async def test_a_client_that_gives_up_before_it_is_accepted_leaves_nothing(
    known: Visitor, consumer: Any
) -> None:
    codes: list[int] = []
    async with serving(recording(consumer, codes)) as server:
        async with Wire(server, known):
            await until(lambda: known.stored()["name"] == "Grace")
            assert codes == []
        await until(lambda: not server.server_state.tasks)
    assert len(codes) == 1


@pytest.mark.parametrize("consumer", [Undecided, UndecidedSync])
async def test_a_socket_that_was_never_accepted_is_told_when_its_session_ends(
    known: Visitor, consumer: Any
) -> None:
    codes: list[int] = []
    async with serving(recording(consumer, codes)) as server, Wire(server, known) as wire:
        await until(lambda: known.stored()["name"] == "Grace")
        await known.visit("end")
        assert b" 101 " in await wire.head()
        assert await wire.closed() == LOGGED_OUT
        await until(lambda: codes == [LOGGED_OUT])
        await until(lambda: not server.server_state.tasks)


class Denying(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.scope["session"]["name"] = "Grace"
        await self.close()


class DenyingSync(WebsocketConsumer):
    def connect(self) -> None:
        self.scope["session"]["name"] = "Grace"
        self.close()


class Responding(Denying):
    """Denies with a response of its own."""

    async def close(self, *_: Any) -> None:
        await self.base_send(
            {"type": "websocket.http.response.start", "status": 429, "headers": []}
        )
        await self.base_send({"type": "websocket.http.response.body", "body": b"later"})


@pytest.mark.parametrize(
    ("consumer", "status"), [(Denying, 403), (DenyingSync, 403), (Responding, 429)]
)
async def test_a_denied_handshake_is_saved_and_leaves_nothing(
    known: Visitor, consumer: Any, status: int
) -> None:
    async with serving(consumer) as server:
        for _ in range(5):
            async with Wire(server, known) as wire:
                assert b" %d " % status in await wire.head()
                assert known.stored()["name"] == "Grace"
        await until(lambda: not server.server_state.tasks)


@pytest.mark.parametrize("consumer", [Denying, Responding])
async def test_a_session_that_ends_with_the_denial_is_no_error(
    known: Visitor, consumer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Ending(consumer):  # type: ignore[misc, valid-type]
        async def close(self, *arguments: Any) -> None:
            [live] = lives(known)
            await super().close(*arguments)
            await known.visit("end")
            await until(lambda: live._is_closed)

    async with serving(Ending) as server, Wire(server, known) as wire:
        head = await wire.head()
        assert b" 403 " in head or b" 429 " in head
        await until(lambda: not server.server_state.tasks)
    assert "Traceback" not in caplog.text


async def test_a_listening_connection_that_is_killed_all_through_a_logout_closes_all_the_same(
    known: Visitor, redis_client: redis.Redis, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"REVALIDATE": 1}
    sockets = [known.socket(Told) for _ in range(20)]
    await asyncio.gather(*(socket.__aenter__() for socket in sockets))
    redis_client.client_pause(300, all=False)  # the logout waits
    logout = asyncio.ensure_future(known.visit("end"))
    while not logout.done():
        kill_listeners(redis_client)
        await asyncio.sleep(0.001)
    for socket in sockets:
        message = await socket.receive_output()
        assert message["code"] in {CloseCode.ENDED, LOGGED_OUT}
        await socket.wait()
