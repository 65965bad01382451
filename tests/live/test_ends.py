"""A session that ends, or is rotated, while sockets are open on it."""

import asyncio
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncWebsocketConsumer

from redis_sessions.live import CloseCode
from tests.consumers import Told, ToldSync
from tests.live.endings import ENDS, close, recording
from tests.live.visitors import BOUND, Visitor
from tests.observers import contents, recorded_batches

KINDS = pytest.mark.parametrize("consumer", [Told, ToldSync])


@KINDS
async def test_the_socket_is_closed_at_once_and_the_consumer_disconnected(
    known: Visitor, consumer: Any, elsewhere: str, redis_client: redis.Redis
) -> None:
    codes: list[int] = []
    async with known.socket(recording(consumer, codes)) as socket:
        await known.visit(elsewhere)
        before = contents(redis_client)
        assert await socket.receive_output() == close(ENDS[elsewhere])
        await socket.wait()
        assert socket.output_queue.empty()
    assert codes == [ENDS[elsewhere]]
    assert contents(redis_client) == before


@KINDS
@pytest.mark.parametrize("do", ["set", "set_and_answer"])
async def test_a_handler_that_writes_after_the_end_stores_nothing_and_answers_nothing(
    known: Visitor, consumer: Any, do: str, elsewhere: str, redis_client: redis.Redis
) -> None:
    codes: list[int] = []
    async with known.socket(recording(consumer, codes)) as socket:
        await socket.ask("get")
        await known.visit(elsewhere)
        before = contents(redis_client)
        await socket.tell(do, late=1)
        assert await socket.receive_output() == close(ENDS[elsewhere])
        await socket.wait()
        assert socket.output_queue.empty()
    assert codes == [ENDS[elsewhere]]
    assert contents(redis_client) == before


async def test_every_socket_of_the_session_is_closed_and_no_other(
    known: Visitor, elsewhere: str
) -> None:
    other = Visitor()
    await other.change(name="Grace")
    async with other.socket(Told) as stays:
        sockets = [known.socket(consumer) for consumer in (Told, ToldSync) * 5]
        await asyncio.gather(*(socket.__aenter__() for socket in sockets))
        await known.visit(elsewhere)
        for socket in sockets:
            assert await socket.receive_output() == close(ENDS[elsewhere])
            await socket.wait()
        assert await stays.ask("get") == {"name": "Grace"}


@pytest.mark.django_db(transaction=True)
async def test_a_login_closes_the_socket_which_never_sees_the_user(
    known: Visitor, ada: Any
) -> None:
    seen: list[Any] = []

    class Consumer(Told):
        async def disconnect(self, code: int) -> None:
            seen.append((dict(self.scope["session"].items()), self.scope["user"].is_anonymous))

    async with known.socket(Consumer) as socket:
        await known.visit("log-in")
        assert await socket.receive_output() == close(CloseCode.LOGGED_IN)
        await socket.wait()
    assert seen == [({"name": "Ada", "list": [1]}, True)]
    async with known.socket(Told) as socket:
        assert (await socket.ask("get"))["_auth_user_id"] == str(ada.pk)


@pytest.mark.django_db(transaction=True)
async def test_a_rotation_of_somebody_who_is_logged_in_tells_to_connect_again_at_once(
    known: Visitor, ada: Any
) -> None:
    await known.visit("log-in")
    async with known.socket(Told) as socket:
        await known.visit("rotate")
        await known.change(name="Grace")  # what follows a rotation does not hide why it was
        assert await socket.receive_output() == close(CloseCode.RENEWED)
        await socket.wait()


async def test_a_record_that_is_gone_without_a_word_ends_the_session(
    known: Visitor, redis_client: redis.Redis, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"REVALIDATE": 1}
    async with known.socket(Told) as socket:
        redis_client.delete(known.record)
        assert await socket.receive_output() == close(CloseCode.ENDED)
        await socket.wait()


@KINDS
@pytest.mark.parametrize("method", ["flush", "delete"])
async def test_a_consumer_that_ends_its_session_is_closed_as_logged_out(
    known: Visitor, consumer: Any, method: str
) -> None:
    class Consumer(consumer):
        def forget(self) -> Any:
            name = f"a{method}" if issubclass(consumer, Told) else method
            return getattr(self.scope["session"], name)()

    async with known.socket(Consumer) as socket:
        await socket.tell("forget")
        assert await socket.receive_output() == close(CloseCode.LOGGED_OUT)
        await socket.wait()


async def test_each_code_can_have_another_number(known: Visitor, settings: Any) -> None:
    settings.REDIS_SESSIONS = {"CLOSE_CODES": {"LOGGED_OUT": 4999}}
    async with known.socket(Told) as socket:
        await known.visit("end")
        assert (await socket.receive_output())["code"] == 4999
        await socket.wait()


async def test_a_socket_opened_with_a_key_right_after_its_rotation_cannot_write(
    known: Visitor, redis_client: redis.Redis
) -> None:
    class Writing(Told):
        async def connect(self) -> None:
            assert dict(self.scope["session"].items()) == {}
            await self.accept()
            self.scope["session"]["late"] = 1

    headers = known.cookie_headers()
    await known.visit("rotate")
    before = contents(redis_client)
    known.client.cookies.clear()
    async with known.socket(Writing, headers=headers) as socket:
        assert socket.set_cookies == []
        assert await socket.receive_output() == close(CloseCode.LOGGED_IN)
        await socket.wait()
    assert contents(redis_client) == before


async def test_what_is_sent_after_the_end_is_dropped(
    known: Visitor, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            await known.visit(elsewhere)
            batches.clear()
            self.scope["session"]["late"] = 1
            for number in range(5):
                await self.send(str(number))
            await self.close(4000)
            handled.set()

    handled, batches = asyncio.Event(), recorded_batches(monkeypatch)
    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        await socket.wait()
        assert handled.is_set()
        assert socket.output_queue.get_nowait() == close(ENDS[elsewhere])
        assert socket.output_queue.empty()
    saves = [batch for batch in batches if batch[-1].script is not None]
    assert len(saves) <= 1


async def test_a_handler_that_never_ends_does_not_keep_an_ended_session_open(
    known: Visitor,
) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            while True:
                await self.send("secret")
                await asyncio.sleep(0.001)

    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        await socket.receive_from()
        await known.visit("end")
        async with asyncio.timeout(BOUND):
            while (message := await socket.receive_output())["type"] != "websocket.close":
                pass
        assert message == close(CloseCode.LOGGED_OUT)
        assert await socket.receive_nothing(0.05)
        socket.future.cancel()
        await asyncio.wait([socket.future], timeout=BOUND)


async def test_tasks_that_save_at_once_close_the_socket_once(known: Visitor) -> None:
    class Consumer(AsyncWebsocketConsumer):
        async def receive(self, text_data: str) -> None:
            await known.visit("end")
            await asyncio.gather(*(self.change(number) for number in range(5)))

        async def change(self, number: int) -> None:
            self.scope["session"][f"late{number}"] = 1
            await self.send(str(number))

    async with known.socket(Consumer) as socket:
        await socket.send_to("go")
        await socket.wait()
        assert socket.output_queue.get_nowait() == close(CloseCode.LOGGED_OUT)
        assert socket.output_queue.empty()
