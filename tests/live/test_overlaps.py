"""A frame or an event that comes while another is handled: it finds what was changed before it."""

import asyncio
from typing import Any

from tests.consumers import Told
from tests.live.visitors import Visitor


class Slow(Told):
    """Handles an event of the channel layer, or a frame, until it is let go."""

    async def connect(self) -> None:
        Slow.going, Slow.name, Slow.layer = asyncio.Event(), self.channel_name, self.channel_layer
        await self.accept()

    async def hold(self, message: Any = None) -> None:
        await self.send_json("held")
        await Slow.going.wait()

    async def show(self, message: Any) -> None:
        await self.get()


async def test_a_frame_that_comes_while_an_event_is_handled_finds_the_change_before_it(
    known: Visitor,
) -> None:
    async with known.socket(Slow) as socket:
        await Slow.layer.send(Slow.name, {"type": "hold"})
        assert await socket.receive_json_from() == "held"
        await known.change(name="Grace")
        await asyncio.sleep(0.1)
        await socket.tell("get")
        await asyncio.sleep(0.1)
        Slow.going.set()
        assert (await socket.receive_json_from())["name"] == "Grace"


async def test_an_event_that_comes_while_a_frame_is_handled_finds_the_change_before_it(
    known: Visitor,
) -> None:
    async with known.socket(Slow) as socket:
        assert await socket.ask("hold") == "held"
        await known.change(name="Grace")
        await asyncio.sleep(0.1)
        await Slow.layer.send(Slow.name, {"type": "show"})
        await asyncio.sleep(0.1)
        Slow.going.set()
        assert (await socket.receive_json_from())["name"] == "Grace"
