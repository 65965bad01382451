"""Turns: how to learn, without the consumer's help, that it has handled an event."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Turn(asyncio.Future[Any]):
    """What ``receive()`` returns: the next message, and a sign each time somebody waits for it.

    A consumer waits for client and channel layer at once, and goes back to waiting when the event
    that came first is handled. Whichever it was, waiting means to add a callback to this future.
    """

    def __init__(
        self, receive: Callable[[], Awaitable[Any]], on_wait: Callable[["Turn"], None]
    ) -> None:
        super().__init__()
        self._on_wait = on_wait
        self._receiving = asyncio.ensure_future(self._take(receive))

    async def _take(self, receive: Callable[[], Awaitable[Any]]) -> None:
        try:
            message = await receive()
        except Exception as error:  # noqa: BLE001 - it is the consumer's to handle
            self.fail(error)
        else:
            self.give(message)

    def give(self, message: Any) -> None:
        """End the wait with a message."""
        if not self.done():
            self.set_result(message)

    def fail(self, error: Exception) -> None:
        """End the wait with an error."""
        if not self.done():
            self.set_exception(error)

    def add_done_callback(self, fn: Callable[..., object], **kwargs: Any) -> None:
        """Note that somebody waits."""
        super().add_done_callback(fn, **kwargs)
        self._on_wait(self)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel also the wait for the server's message."""
        self._receiving.cancel(msg)
        return super().cancel(msg)
