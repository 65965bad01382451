"""Errors that nobody foresaw, in one socket or in the hub itself: the other sockets go on."""

import asyncio
from typing import Any

import pytest
import redis

from redis_sessions import operations
from redis_sessions.live import CloseCode, hub
from redis_sessions.live.hub import _hubs
from tests.consumers import Told, ToldSync
from tests.live.endings import close, recording
from tests.live.test_events import watching
from tests.live.visitors import Visitor
from tests.live.wires import lives


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_PAUSE", 0.02)


def failing_once(work: Any) -> Any:
    """Return a function that raises at its first call, and does its work from then on."""
    failed: list[bool] = []

    def act(*arguments: Any) -> Any:
        if not failed:
            failed.append(True)
            raise ZeroDivisionError("unforeseen")
        return work(*arguments)

    return act


@pytest.mark.parametrize("consumer", [Told, ToldSync])
async def test_a_socket_that_fails_at_the_news_is_closed_and_all_others_hear_on(
    known: Visitor, consumer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(record: Any) -> None:
        raise ZeroDivisionError("unforeseen")

    other, codes = Visitor(), []
    await other.change(name="Grace")
    async with known.socket(recording(consumer, codes)) as fails:
        [live] = lives(known)
        live.session.refresh = fail
        async with known.socket(watching(consumer)) as same, other.socket(watching(Told)) as apart:
            await known.change(name="Alan")
            assert await fails.receive_output() == close(CloseCode.ENDED)
            await fails.wait()
            assert codes == [CloseCode.ENDED]
            assert await same.receive_json_from() == ["name"]
            await other.change(name="Edsger")
            assert await apart.receive_json_from() == ["name"]
            await known.visit("end")
            assert await same.receive_output() == close(CloseCode.LOGGED_OUT)
            await same.wait()
    assert "ZeroDivisionError" in caplog.text


async def test_a_read_that_fails_is_logged_and_done_again(
    known: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with known.socket(watching(Told)) as socket:
        monkeypatch.setattr(operations, "peek", failing_once(operations.peek))
        await known.change(name="Grace")
        assert await socket.receive_json_from() == ["name"]
        assert "ZeroDivisionError" in caplog.text
        await known.visit("end")
        assert await socket.receive_output() == close(CloseCode.LOGGED_OUT)
        await socket.wait()


async def test_a_round_of_reading_everything_anew_that_fails_is_not_the_last(
    known: Visitor, redis_client: redis.Redis, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_SESSIONS = {"REVALIDATE": 1}
    async with known.socket(Told) as socket:
        ours = _hubs[asyncio.get_running_loop()]
        ours._resumed = failing_once(ours._resumed)
        redis_client.delete(known.record)
        assert await socket.receive_output() == close(CloseCode.ENDED)
        await socket.wait()
    assert "ZeroDivisionError" in caplog.text
