"""Sealed sessions over sockets: the consumer has the session, and the server knows no value."""

from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import SESSION_KEY, get_user_model

from redis_sessions.live import CloseCode, SessionEventsMixin
from tests.consumers import Told, ToldSync
from tests.doors import Door, DoorInAThread, Guest, closed
from tests.live.endings import close
from tests.live.visitors import Visitor
from tests.sealed import ENCRYPT, everything


@pytest.fixture(autouse=True)
def _encrypting(settings: Any) -> None:
    settings.REDIS_SESSIONS = ENCRYPT


@pytest.fixture
def _doors(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.doors"


class Watching(SessionEventsMixin, AsyncJsonWebsocketConsumer):
    """Tells its client what was changed elsewhere, and to what."""

    async def session_changed(self, event: dict[str, Any]) -> None:
        session = self.scope["session"]
        await self.send_json({key: session[key] for key in event["keys"]})


@pytest.mark.parametrize("consumer", [Told, ToldSync])
async def test_page_and_socket_have_one_session(
    known: Visitor, consumer: Any, redis_client: redis.Redis
) -> None:
    async with known.socket(consumer) as socket:
        assert await socket.ask("get") == {"name": "Ada", "list": [1]}
        await socket.ask("set_and_answer", word="cheese")
        await socket.tell("append", value="moon")
        await known.change(name="Grace")
        expected = {"name": "Grace", "list": [1, "moon"], "word": "cheese"}
        assert await socket.ask("get") == expected
        assert await known.shown() == expected
    assert [
        word for word in (b"cheese", b"moon", b"Grace") if word in everything(redis_client)
    ] == []


async def test_a_consumer_hears_of_a_change_made_elsewhere(known: Visitor) -> None:
    async with known.socket(Watching) as socket, known.socket(Told) as other:
        await known.change(name="Grace")
        assert await socket.receive_json_from() == {"name": "Grace"}
        await other.tell("append", value=2)
        assert await socket.receive_json_from() == {"list": [1, 2]}


@pytest.mark.django_db(transaction=True)
async def test_a_login_elsewhere_closes_the_socket_and_keeps_what_it_saved(
    known: Visitor, ada: Any
) -> None:
    async with known.socket(Told) as socket:
        await socket.ask("set_and_answer", word="cheese")
        await known.visit("log-in")
        assert await socket.receive_output() == close(CloseCode.LOGGED_IN)
        await socket.wait()
    held = await known.shown()
    assert (held["word"], held["name"], held[SESSION_KEY]) == ("cheese", "Ada", str(ada.pk))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_doors")
@pytest.mark.parametrize("door", [Door, DoorInAThread])
async def test_a_login_over_a_socket_goes_on_there_and_by_its_claim_in_the_page(door: Any) -> None:
    await get_user_model().objects.acreate_user("ada")
    guest = await Guest().begin()
    async with guest.door(door) as socket, guest.door(door) as other:
        assert await socket.ask("login", name="ada") == "ada"
        assert await closed(other) == CloseCode.LOGGED_IN
        await socket.ask("set", colour="red")
        assert (await socket.ask("get"))["basket"] == "tea"
        await guest.post(await socket.ask("claim"))
        assert await guest.user() == "ada"
        await guest.client.post("/set/", {"more": "cups"})
        held = await socket.ask("get")
        assert (held["basket"], held["colour"], held["more"]) == ("tea", "red", "cups")


@pytest.mark.usefixtures("_doors")
async def test_a_socket_that_rotates_its_session_again_and_again_keeps_all_of_it() -> None:
    guest = await Guest().begin()
    async with guest.door() as socket:
        for number in range(4):
            await socket.ask("rotate")
            await socket.ask("set", **{f"number {number}": number})
        held = await socket.ask("get")
        await guest.post(await socket.ask("claim"))
    assert held == {"basket": "tea"} | {f"number {number}": number for number in range(4)}
    assert (await guest.client.get("/get/")).json() == held


async def test_a_session_that_was_spoilt_closes_the_socket(
    known: Visitor, redis_client: redis.Redis
) -> None:
    async with known.socket(Told) as socket:
        await socket.ask("get")
        redis_client.hset(known.record, "name", b"\0" * 12 + b"\x03" + b"\0" * 20)
        redis_client.publish(known.record, "saved ")
        assert await socket.receive_output() == close(CloseCode.ENDED)
        await socket.wait()
