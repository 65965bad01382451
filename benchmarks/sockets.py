"""A client's end of an ASGI socket in this process: as much of a server as a consumer needs."""

import asyncio
from typing import Any

Message = dict[str, Any]


class Socket:
    """A socket to an application. Raises what the application raises."""

    def __init__(self, application: Any, session_key: str) -> None:
        self.session_key = session_key
        self._application = application
        self._scope = {
            "type": "websocket",
            "path": "/",
            "headers": [(b"cookie", f"sessionid={session_key}".encode())],
        }
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message | None] = asyncio.Queue()

    async def open(self) -> None:
        """Connect, and wait for the application to accept."""

        async def send(message: Message) -> None:
            self._outbox.put_nowait(message)

        call = self._application(self._scope, self._inbox.get, send)
        self._task = asyncio.ensure_future(call)
        self._task.add_done_callback(lambda _: self._outbox.put_nowait(None))
        self._inbox.put_nowait({"type": "websocket.connect"})
        await self._next("websocket.accept")

    async def ask(self, text: str) -> str:
        """Send a frame and return the text of the frame that answers."""
        self._inbox.put_nowait({"type": "websocket.receive", "text": text})
        return (await self._next("websocket.send"))["text"]

    async def close(self) -> None:
        """Disconnect, and wait for the application to end."""
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self._task

    async def _next(self, kind: str) -> Message:
        message = await self._outbox.get()
        if message is None:
            self._task.result()
        assert message is not None
        assert message["type"] == kind, message
        return message
