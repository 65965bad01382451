"""Consumers that do as their client tells them."""

from typing import Any

from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
)


class Told(AsyncJsonWebsocketConsumer):
    """``{"do": "set", ...}`` has the method ``set`` run. Only some of them answer."""

    async def receive_json(self, content: dict[str, Any]) -> None:
        await getattr(self, content.pop("do"))(**content)

    async def get(self) -> None:
        await self.send_json(dict(self.scope["session"].items()))

    async def set(self, **values: Any) -> None:
        self.scope["session"].update(values)

    async def set_and_answer(self, **values: Any) -> None:
        self.scope["session"].update(values)
        await self.send_json("done")

    async def append(self, value: Any) -> None:
        self.scope["session"]["list"].append(value)

    async def remove(self, key: str) -> None:
        del self.scope["session"][key]

    async def event(self, message: dict[str, Any]) -> None:
        """Handle what a channel layer sends."""
        self.scope["session"].update(message["values"])


class ToldSync(JsonWebsocketConsumer):
    """See Told."""

    def receive_json(self, content: dict[str, Any]) -> None:
        getattr(self, content.pop("do"))(**content)

    def get(self) -> None:
        self.send_json(dict(self.scope["session"].items()))

    def set(self, **values: Any) -> None:
        self.scope["session"].update(values)

    def set_and_answer(self, **values: Any) -> None:
        self.scope["session"].update(values)
        self.send_json("done")

    def append(self, value: Any) -> None:
        self.scope["session"]["list"].append(value)

    def remove(self, key: str) -> None:
        del self.scope["session"][key]

    def event(self, message: dict[str, Any]) -> None:
        """See Told.event()."""
        self.scope["session"].update(message["values"])


class Counter(AsyncWebsocketConsumer):
    """Counts its visits before it accepts, and answers a frame with their number."""

    async def connect(self) -> None:
        session = self.scope["session"]
        session["visits"] = session.get("visits", 0) + 1
        await self.accept()

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        await self.send(str(self.scope["session"]["visits"]))
