"""A server that is away: at connect, later, and for good."""

import asyncio
from typing import Any

import pytest
from channels.generic.http import AsyncHttpConsumer
from channels.testing import HttpCommunicator

from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.live import CloseCode, LiveSessionMiddlewareStack, saver
from tests.consumers import Told, ToldSync
from tests.live.outages import Fickle, waits
from tests.live.visitors import BOUND, Socket, Visitor, until
from tests.live.wires import lives

KINDS = pytest.mark.parametrize("consumer", [Told, ToldSync])


async def test_a_socket_opened_meanwhile_is_told_to_come_later(
    fickle: Fickle, known: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "redis_sessions")
    fickle.go()
    started = []

    class Consumer(Told):
        async def connect(self) -> None:
            started.append(True)

    async with known.socket(Consumer) as socket:
        message = await socket.receive_output()
        assert (message["type"], message["code"]) == ("websocket.close", CloseCode.UNAVAILABLE)
        assert socket.set_cookies == []
        await socket.wait()
    assert started == []
    assert "session server" in caplog.text


async def test_somebody_without_a_session_connects_meanwhile(fickle: Fickle) -> None:
    fickle.go()
    async with Visitor().socket(Told) as socket:
        assert await socket.ask("get") == {}


async def test_an_http_consumer_answers_503_meanwhile(fickle: Fickle, known: Visitor) -> None:
    fickle.go()
    application = LiveSessionMiddlewareStack(AsyncHttpConsumer.as_asgi())
    page = HttpCommunicator(application, "GET", "/", headers=known.cookie_headers())
    response = await page.get_response(timeout=5)
    assert (response["status"], response["body"]) == (503, b"")
    assert response["headers"] == [(b"retry-after", b"5")]
    await page.wait()


@KINDS
async def test_changes_wait_until_the_server_is_back(
    fickle: Fickle, known: Visitor, consumer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with known.socket(consumer) as socket:
        fickle.go()
        await socket.tell("set", name="Grace")
        await until(lambda: waits(caplog))
        await socket.tell("append", value=2)
        fickle.come_back()
        await until(lambda: known.stored() == {"name": "Grace", "list": [1, 2]})
        assert await socket.ask("get") == {"name": "Grace", "list": [1, 2]}


@KINDS
async def test_a_frame_that_is_held_meanwhile_arrives_after_the_save(
    fickle: Fickle, known: Visitor, consumer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with known.socket(consumer) as socket:
        fickle.go()
        await socket.tell("set_and_answer", name="Grace")
        await until(lambda: waits(caplog))
        assert socket.output_queue.empty()
        fickle.come_back()
        assert await socket.receive_json_from() == "done"
        assert known.stored()["name"] == "Grace"


async def test_a_frame_of_a_consumer_that_changed_nothing_is_not_held(
    fickle: Fickle, known: Visitor
) -> None:
    async with known.socket(Told) as socket:
        fickle.go()
        assert (await socket.ask("get"))["name"] == "Ada"


@KINDS
async def test_a_consumer_that_changed_nothing_answers_while_its_session_cannot_be_renewed(
    fickle: Fickle, known: Visitor, consumer: Any, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True, "TOUCH_INTERVAL": 0}
    caplog.set_level("INFO", "redis_sessions")
    async with known.socket(consumer) as socket:
        fickle.go()
        for _ in range(3):
            assert (await socket.ask("get"))["name"] == "Ada"
    assert "is not renewed" in caplog.text
    assert "waits to be saved" not in caplog.text
    assert "are lost" not in caplog.text


async def test_what_was_changed_before_a_save_that_failed_is_saved_when_the_server_is_back(
    fickle: Fickle, known: Visitor
) -> None:
    async with known.socket(Told) as socket:
        [live] = lives(known)
        fickle.go()
        live.session["name"] = "Grace"
        with pytest.raises(SessionStoreUnavailable):
            await live._saver.save_now()
        fickle.come_back()
        assert (await socket.ask("get"))["name"] == "Grace"
        await until(lambda: known.stored()["name"] == "Grace")


async def test_a_frame_does_not_wait_for_the_server_behind_a_renewal_that_fails(
    fickle: Fickle, known: Visitor, settings: Any, monkeypatch: Any
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True, "TOUCH_INTERVAL": 0}
    monkeypatch.setattr(saver, "_PAUSE", 3600)
    async with known.socket(Told) as socket:
        [live] = lives(known)
        fickle.go()
        renewal = asyncio.ensure_future(live._saver.save_now())
        await asyncio.sleep(0)
        assert live.session.is_saving
        async with asyncio.timeout(BOUND):
            await live.send({"type": "websocket.send", "text": "meanwhile"})
        assert await socket.receive_from() == "meanwhile"
        with pytest.raises(SessionStoreUnavailable):
            await renewal


async def test_what_waits_when_the_client_leaves_is_lost_and_logged(
    fickle: Fickle, known: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    async with known.socket(Told) as socket:
        fickle.go()
        await socket.tell("set", name="Grace")
        await until(lambda: waits(caplog))
    assert "The last changes of session" in caplog.text
    fickle.come_back()
    assert known.stored() == {"name": "Ada", "list": [1]}


async def test_a_client_that_leaves_right_after_the_server_came_back_loses_nothing(
    fickle: Fickle, known: Visitor, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr(saver, "_PAUSE", 3600)
    async with known.socket(Told) as socket:
        fickle.go()
        await socket.tell("set", name="Grace")
        await until(lambda: waits(caplog))
        fickle.come_back()
    assert known.stored()["name"] == "Grace"


async def test_a_client_that_leaves_shortly_before_the_server_is_back_loses_nothing(
    fickle: Fickle, known: Visitor, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr(saver, "_LAST", 60)
    async with known.socket(Told) as socket:
        fickle.go()
        await socket.tell("set", name="Grace")
        await until(lambda: waits(caplog))
        leaving = asyncio.ensure_future(socket.leave())
        await asyncio.sleep(0.05)
        fickle.come_back()
        await leaving
    assert known.stored()["name"] == "Grace"
    assert "are lost" not in caplog.text


async def test_many_sockets_wait_and_lose_nothing(
    fickle: Fickle, known: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    sockets: list[Socket] = [known.socket(Told) for _ in range(20)]
    await asyncio.gather(*(socket.__aenter__() for socket in sockets))
    fickle.go()
    for number, socket in enumerate(sockets):
        await socket.tell("set", **{f"key{number}": number})
    await until(lambda: waits(caplog))
    fickle.come_back()
    await asyncio.gather(*(socket.ask("get") for socket in sockets))
    expected = {f"key{number}": number for number in range(20)}
    await until(lambda: known.stored() == {"name": "Ada", "list": [1], **expected})
    await asyncio.gather(*(socket.leave() for socket in sockets))


async def test_a_server_that_lost_everything_closes_the_sockets(
    fickle: Fickle, known: Visitor
) -> None:
    async with known.socket(Told) as socket:
        fickle.kill()
        fickle.come_back()
        assert (await socket.receive_output())["code"] == CloseCode.ENDED
        await socket.wait()


class Saving(Told):
    async def connect(self) -> None:
        if self.scope["path"] == "/early/":
            await self.save(early=1)
        await self.accept()

    async def save(self, **values: Any) -> None:
        self.scope["session"].update(values)
        await self.scope["session"].asave()


async def test_a_consumer_that_saves_itself_is_closed_while_the_server_is_away(
    known: Visitor, fickle: Fickle
) -> None:
    await known.change(name="Ada")
    async with known.socket(Saving) as socket:
        fickle.go()
        await socket.tell("save", late=1)
        message = await socket.receive_output()
        assert (message["type"], message["code"]) == ("websocket.close", 4503)
        await socket.wait()


async def test_a_consumer_that_saves_itself_before_accept_is_accepted_and_closed(
    visitor: Visitor, fickle: Fickle
) -> None:
    fickle.go()
    socket = visitor.socket(Saving, "/early/")
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output())["type"] == "websocket.accept"
    assert (await socket.receive_output())["code"] == 4503
    await socket.wait()
