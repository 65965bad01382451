"""Clients that stop reading or break off: nobody else is held up, and nothing is left of them."""

import asyncio
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async

from redis_sessions.live import CloseCode
from redis_sessions.live import socket as live_socket
from redis_sessions.session import SessionStore
from tests.consumers import Told, ToldSync
from tests.live.endings import close, recording
from tests.live.visitors import BOUND, Visitor, until
from tests.live.wires import Wire, lives, nobody_listens_afterwards, serving

assert nobody_listens_afterwards
pytestmark = pytest.mark.usefixtures("nobody_listens_afterwards")
LOGGED_OUT = CloseCode.LOGGED_OUT


class Flooding(Told):
    """Sends more than any buffer holds."""

    frames = 2000

    async def flood(self) -> None:
        for number in range(self.frames):
            await self.send(f"{number:010000}")


class FloodingSync(ToldSync):
    """See Flooding."""

    frames = 2000

    def flood(self) -> None:
        for number in range(self.frames):
            self.send(f"{number:010000}")


async def held_up(visitor: Visitor) -> Any:
    """Wait until the consumer of the visitor's only socket can send no more; return that socket."""
    [live] = lives(visitor)
    async with asyncio.timeout(BOUND):
        sending: tuple[Any, ...] = ()
        while not sending or live._sending != sending:
            sending = live._sending
            await asyncio.sleep(0.2)
    return live


async def test_a_client_that_stops_reading_holds_nobody_up_and_is_given_up_with_its_session(
    known: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "_GRACE", 1.0)
    other = Visitor()
    await other.change(name="Grace")
    codes: list[int] = []
    async with serving(recording(Flooding, codes)) as server, Wire(server, known) as wire:
        assert b" 101 " in await wire.head()
        await wire.tell("flood")
        await held_up(known)
        async with known.socket(Told) as same, other.socket(Told) as apart:
            for number in range(50):
                await known.change(name=number)
                assert (await same.ask("get"))["name"] == number
                assert await apart.ask("set_and_answer", name=number) == "done"
            await known.visit("end")
            assert await same.receive_output() == close(LOGGED_OUT)
            await until(lambda: codes == [LOGGED_OUT])
            await until(lambda: not server.server_state.tasks)
            assert await apart.ask("get") == {"name": 49}


async def test_a_sync_consumer_whose_client_stops_reading_has_its_thread_back_at_the_end(
    known: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "_GRACE", 1.0)
    codes: list[int] = []
    async with serving(recording(FloodingSync, codes)) as server, Wire(server, known) as wire:
        await wire.head()
        await wire.tell("flood")
        await held_up(known)
        await SessionStore(known.session_key).aflush()  # a page may need that thread
        await until(lambda: codes == [LOGGED_OUT])
        await until(lambda: not server.server_state.tasks)
        assert await sync_to_async(lambda: "free")() == "free"


async def test_a_client_that_reads_again_gets_everything_and_then_the_last_state(
    known: Visitor,
) -> None:
    async with serving(Flooding) as server, Wire(server, known) as wire:
        await wire.head()
        await wire.tell("flood")
        live = await held_up(known)
        for number in range(50):
            await known.change(name=number)
        assert len(live._inbox._messages or ()) == 0
        await wire.tell("get")
        answer = b'{"name": 49, "list": [1]}'
        found = await wire.read_all(Flooding.frames * (4 + 10_000) + 2 + len(answer))
        assert found.endswith(answer)


async def test_a_client_that_stopped_reading_and_vanishes_leaves_nothing(known: Visitor) -> None:
    codes: list[int] = []
    async with serving(recording(Flooding, codes)) as server:
        async with Wire(server, known) as wire:
            await wire.head()
            await wire.tell("flood")
            await held_up(known)
        await until(lambda: not server.server_state.tasks)
        assert not server.server_state.connections


@pytest.mark.parametrize("do", ["set", "set_and_answer"])
@pytest.mark.parametrize("consumer", [Told, ToldSync])
async def test_a_client_that_breaks_the_connection_off_during_a_save_loses_nothing(
    known: Visitor, redis_client: redis.Redis, consumer: Any, do: str
) -> None:
    async with serving(consumer) as server:
        async with Wire(server, known) as wire:
            await wire.head()
            redis_client.client_pause(300, all=False)  # saves wait
            await wire.tell(do, name="Grace")
            await until(lambda: lives(known)[0].session.is_saving)
            wire.break_off()
        await until(lambda: not server.server_state.tasks)
    assert known.stored()["name"] == "Grace"
