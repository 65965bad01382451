"""Sockets under each fault: those that connect, and those that have something to save."""

import time
from typing import Any

import pytest

from redis_sessions import breakers, connections
from redis_sessions.live import CloseCode, hub, saver
from tests.caches import caches
from tests.consumers import Told
from tests.faults.proxy import FaultyProxy
from tests.faults.rows import ROWS, Row
from tests.faults.settings import hasty_caches, impatient
from tests.live.outages import waits
from tests.live.visitors import Visitor, until
from tests.servers import Server

BOUND = 3  # seconds; a fifth of the usual timeouts is in force


@pytest.fixture(params=ROWS, ids=str)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


@pytest.fixture
async def proxy(server: Server, row: Row, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Patient where nobody is to notice the fault. Sockets try again at once."""
    impatient(monkeypatch, 20 if row.write else 0.02)
    monkeypatch.setattr(breakers, "PAUSE", 0.02)
    monkeypatch.setattr(saver, "_PAUSE", 0.02)
    monkeypatch.setattr(hub, "_PAUSE", 0.02)
    with FaultyProxy(server.port) as running:
        patient = caches(running.url, SOCKET_TIMEOUT=20, SOCKET_CONNECT_TIMEOUT=20)
        settings.CACHES = patient if row.write else hasty_caches(running.url)
        yield running
        await connections.aclose()


async def test_a_socket_that_connects(row: Row, proxy: FaultyProxy, known: Visitor) -> None:
    await connections.aclose()
    proxy.set(row.fault, row.times)
    started = time.monotonic()
    socket = known.socket(Told)
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output())["type"] == "websocket.accept"
    if row.read:
        assert (await socket.ask("get"))["name"] == "Ada"
        await socket.leave()
        return
    assert (await socket.receive_output())["code"] == CloseCode.UNAVAILABLE
    assert time.monotonic() - started < BOUND
    await socket.wait()


async def test_a_socket_that_is_open(
    row: Row, proxy: FaultyProxy, known: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    async with known.socket(Told) as socket:
        if row.fault == "max clients":
            await connections.aclose()  # who has a connection keeps it
        proxy.set(row.fault, row.times)
        await socket.tell("set", name="Grace")
        if not row.write:
            await until(lambda: waits(caplog))
            proxy.clear()
        await until(lambda: known.stored()["name"] == "Grace")
        proxy.clear()
        assert (await socket.ask("get")) == {"name": "Grace", "list": [1]}
    assert caplog.text.count("waits to be saved") == (0 if row.write else 1)
    assert "are lost" not in caplog.text


async def test_a_socket_that_connects_beside_one_that_is_open(
    row: Row, proxy: FaultyProxy, known: Visitor
) -> None:
    other = Visitor()
    await other.change(name="Grace")
    async with known.socket(Told) as stays:
        proxy.set(row.fault, row.times)
        socket = other.socket(Told)
        await socket.send_input({"type": "websocket.connect"})
        assert (await socket.receive_output())["type"] == "websocket.accept"
        if row.read or row.fault == "max clients":
            assert (await socket.ask("get")) == {"name": "Grace"}
            await socket.leave()
        else:
            assert (await socket.receive_output())["code"] == CloseCode.UNAVAILABLE
            await socket.wait()
        proxy.clear()
        assert (await stays.ask("get"))["name"] == "Ada"
