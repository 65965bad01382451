"""The WebSocket side: the same session, and a chat that is signed with its name."""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .actions import ACTIONS, perform, shown
from .record import read_record


class LivePanel(AsyncJsonWebsocketConsumer):
    """Frames in: ``{"do": "name" | "add" | "remove" | "chat" | "show", ...}``.

    Frames out: ``{"type": "state" | "record" | "chat" | "error" | "reconnect", ...}``. The session
    needs no call to be saved: what a handler changed is in Redis before its next frame leaves.
    """

    groups = ["chat"]

    async def connect(self) -> None:
        if b"begin" in self.scope["query_string"]:
            # The answer to the handshake can set a cookie, an open socket cannot.
            await self.scope["session"].asave()
        await self.accept()
        await self.show()

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        try:
            return await super().decode_json(text_data)
        except ValueError:
            return None

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        action = str(content.get("do")) if isinstance(content, dict) else ""
        if not await self.refresh():
            await self.reconnect(content)
        elif action in ACTIONS:
            await self.perform(action, content)
        elif action == "chat":
            await self.chat(str(content.get("text", "")).strip()[:300])
        elif action == "show":
            await self.show()
        else:
            await self.send_json({"type": "error", "text": "This frame asks for nothing I know."})

    async def refresh(self) -> bool:
        """Read again what HTTP may have changed; False where a login or logout ended it."""
        session = self.scope["session"]
        key = session.session_key
        if key is not None:
            session._session_cache = await session.aload()
        return session.session_key == key and not session.superseded

    async def reconnect(self, content: Any, *, begin: bool = False) -> None:
        """Have the page open a new socket, with the cookie it has now, and say it again there."""
        await self.send_json({"type": "reconnect", "begin": begin, "again": content})

    async def perform(self, action: str, values: Any) -> None:
        session = self.scope["session"]
        if session.session_key is None:
            await self.reconnect(values, begin=True)
        elif problem := await perform(action, session, values):
            await self.send_json({"type": "error", "text": problem})
        else:
            await self.show()

    async def show(self) -> None:
        state = await shown(self.scope["session"], self.scope["user"])
        await self.send_json({"type": "state", **state})
        record = await read_record(state["id"])
        await self.send_json({"type": "record", "record": record})

    async def chat(self, text: str) -> None:
        if text:
            line = {"type": "chat.line", "name": await self.chat_name(), "text": text}
            await self.channel_layer.group_send("chat", line)

    async def chat_name(self) -> str:
        name = await self.scope["session"].aget("name")
        return name or self.scope["user"].get_username() or "someone"

    async def chat_line(self, event: dict[str, Any]) -> None:
        await self.send_json({**event, "type": "chat"})
