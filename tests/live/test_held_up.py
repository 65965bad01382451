"""Who waits for a server that is away: an open socket whose client is there, nobody else."""

from typing import Any

import pytest
from channels.generic.http import AsyncHttpConsumer
from channels.testing import HttpCommunicator

from redis_sessions.live import CloseCode, LiveSessionMiddlewareStack, saver, socket
from tests.consumers import Told
from tests.live.outages import Fickle, waits
from tests.live.visitors import Visitor, until


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saver, "_LAST", 0.1)


async def test_a_consumer_whose_client_has_left_meanwhile_is_let_go(
    fickle: Fickle, known: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    codes = []

    class Consumer(Told):
        async def disconnect(self, code: int) -> None:
            codes.append(code)

    opened = known.socket(Consumer)
    async with opened:
        fickle.go()
        await opened.tell("set", late=1)
        await opened.tell("get")
        await until(lambda: waits(caplog))
        await opened.tell("get")
        await opened.send_input({"type": "websocket.disconnect", "code": 1001})
        await opened.wait()
    assert codes == [1001]
    assert "are lost" in caplog.text


async def test_frames_that_came_meanwhile_are_answered_in_their_order(
    fickle: Fickle, known: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    async with known.socket(Told) as opened:
        fickle.go()
        for number in range(20):  # more than are read ahead
            await opened.tell("set", number=number)
            await opened.tell("get")
        await until(lambda: waits(caplog))
        fickle.come_back()
        for number in range(20):
            assert (await opened.receive_json_from(timeout=10))["number"] == number


async def test_a_consumer_that_changes_the_session_before_it_accepts_is_closed(
    fickle: Fickle, known: Visitor
) -> None:
    class Consumer(Told):
        async def connect(self) -> None:
            fickle.go()
            self.scope["session"]["early"] = 1
            await super().connect()

    opened = known.socket(Consumer)
    await opened.send_input({"type": "websocket.connect"})
    assert (await opened.receive_output())["type"] == "websocket.accept"
    assert (await opened.receive_output())["code"] == CloseCode.UNAVAILABLE
    await opened.wait()


async def test_an_http_consumer_that_changes_the_session_answers_503(
    fickle: Fickle, known: Visitor
) -> None:
    class Page(AsyncHttpConsumer):
        async def handle(self, body: bytes) -> None:
            self.scope["session"]["seen"] = 1
            fickle.go()
            await self.send_response(200, b"seen")

    page = HttpCommunicator(
        LiveSessionMiddlewareStack(Page.as_asgi()), "GET", "/", headers=known.cookie_headers()
    )
    assert (await page.get_response(timeout=10))["status"] == 503
    await page.wait()


async def test_a_client_that_does_not_read_does_not_keep_a_consumer_that_failed(
    fickle: Fickle, known: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "_GRACE", 0.1)

    class Consumer(Told):
        async def connect(self) -> None:
            fickle.go()
            await self.scope["session"].aload()

    def deaf(application: Any) -> Any:
        async def call(scope: Any, receive: Any, send: Any) -> None:
            async def never(message: Any) -> None:
                await until(lambda: False)

            await application(scope, receive, never)

        return call

    opened = known.raw_socket(deaf(LiveSessionMiddlewareStack(Consumer.as_asgi())))
    await opened.send_input({"type": "websocket.connect"})
    await opened.wait()
