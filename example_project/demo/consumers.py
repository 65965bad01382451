"""The WebSocket side: the same session, and a chat that is signed with its name."""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from redis_sessions.live import SessionEventsMixin, claim, login, logout

from .actions import ACTIONS, WRONG_LOGIN, authenticated, perform, shown
from .record import read_record


class LivePanel(SessionEventsMixin, AsyncJsonWebsocketConsumer):
    """Frames in: ``{"do": "name" | "add" | "remove" | "chat" | "login" | "logout", ...}``.

    Frames out: ``{"type": "state" | "record" | "chat" | "error", ...}``, and a claim where the page
    needs a new cookie. The session needs no call to be read, kept fresh or saved: what a handler
    changed is in Redis before its next frame leaves.
    """

    groups = ["chat"]

    async def connect(self) -> None:
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
        if action in ACTIONS:
            await self.perform(action, content)
        elif action == "chat":
            await self.chat(str(content.get("text", "")).strip()[:300])
        elif action == "login":
            await self.log_in(content)
        elif action == "logout":
            await logout(self.scope)  # closes this socket, and says why
        else:
            await self.complain("This frame asks for nothing I know.")

    async def session_changed(self, event: dict[str, Any]) -> None:
        """Show what a page, or another tab, has changed."""
        await self.show()

    async def session_ended(self, event: dict[str, Any]) -> None:
        """Leave it to the page, which the close code tells."""

    async def perform(self, action: str, values: Any) -> None:
        session = self.scope["session"]
        is_new = session.session_key is None
        if problem := await perform(action, session, values):
            await self.complain(problem)
            return
        if is_new and not session.is_obsolete():
            await self.hand_over()
        await self.show()

    async def log_in(self, values: Any) -> None:
        user = await authenticated(values)
        if user is None:
            await self.complain(WRONG_LOGIN)
        else:
            await login(self.scope, user)
            await self.hand_over()
            await self.show()

    async def hand_over(self) -> None:
        """Have the page fetch the cookie, which an open socket cannot set."""
        await self.send_json({"session_claim": await claim(self.scope)})

    async def complain(self, text: str) -> None:
        await self.send_json({"type": "error", "text": text})

    async def show(self) -> None:
        state = await shown(self.scope["session"], self.scope["user"])
        await self.send_json({"type": "state", **state})
        record = await read_record(self.scope["session"].id)
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
