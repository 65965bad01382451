"""Turns: how to learn, without the consumer's help, when it handles an event and when it waits."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any


class Turn(asyncio.Future[Any]):
    """What ``receive()`` returns: the next message, and a sign when the consumer waits or stops to.

    A consumer waits for client and channel layer at once, and goes back to waiting when the event
    that came first is handled. Whichever it was: to wait is to add a callback to this future, to
    stop waiting is to remove it, or to be given the message.
    """

    def __init__(self, noticed: Callable[[bool], None]) -> None:
        super().__init__()
        self._noticed = noticed
        self._is_dropped = False  # it had failed when it was cancelled
        self.is_undelivered = False  # who waited was cancelled in the moment the message came

    def add_done_callback(self, fn: Callable[..., object], **kwargs: Any) -> None:
        """Note that somebody waits."""
        super().add_done_callback(fn, **kwargs)
        self._noticed(True)

    def remove_done_callback(self, fn: Callable[..., object]) -> int:
        """Note that nobody waits any more."""
        removed = super().remove_done_callback(fn)
        self._noticed(False)
        return removed

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the wait."""
        self._is_dropped = self.done() and not self.cancelled() and self.exception() is not None
        return super().cancel(msg)

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the message.

        Channels cancels all that a consumer waited for, and awaits one after the other. Where that
        raises something else than CancelledError, it leaves the rest of them running.
        """
        if self._is_dropped:
            raise asyncio.CancelledError
        try:
            return (yield from super().__await__())
        except asyncio.CancelledError:
            came = self.done() and not self.cancelled()
            self.is_undelivered = came and self.exception() is None
            raise


_AHEAD = 16  # messages at most that wait for a consumer that is held up


class Inbox:
    """The messages for one consumer: those of the server, and those that we put before them.

    ``on_wait()`` is called when the consumer has handled what it got; ``before(message)`` is
    awaited before a message of the server is passed on. The server is asked only when the consumer
    asks.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[Any]],
        before: Callable[[Any], Awaitable[None]],
        on_wait: Callable[[], None],
    ) -> None:
        self._receive = receive
        self._before = before
        self._on_wait = on_wait
        self._messages: deque[Any] | None = None  # made at first use: most sockets never need one
        self._turn: Turn | None = None
        self._incoming: asyncio.Task[None] | None = None
        self.is_idle = self._is_awaited = self._has_left = False

    def has_left(self) -> bool:
        """Tell whether the client has left, though the consumer, held up, has not asked for that.

        Some messages of the client are read ahead for it.
        """
        if self._incoming is None and not self._has_left and len(self._queue()) < _AHEAD:
            self._incoming = asyncio.ensure_future(self._fetch())
        return self._has_left

    def receive(self) -> Turn:
        """Return a future for the next message."""
        if self._turn is not None and self._turn.is_undelivered:
            self._queue().appendleft(self._turn.result())
        self._turn, self._is_awaited = Turn(self._noticed), False
        self._between_events()
        self._deliver()
        if not self._turn.done() and self._incoming is None:
            self._incoming = asyncio.ensure_future(self._fetch())
        return self._turn

    def put(self, message: Any) -> None:
        """Pass on a message of our own."""
        if not self._messages and self._turn is not None and not self._turn.done():
            self._hand_over(message)
        else:
            self._queue().append(message)

    def fail(self, error: Exception) -> None:
        """Raise an error where the consumer waits."""
        if self._turn is not None and not self._turn.done():
            self.is_idle = False
            self._turn.set_exception(error)

    def close(self) -> None:
        """Stop asking the server, and let nobody wait."""
        self.is_idle = False
        if self._turn is not None:
            self._turn.cancel()
        if self._incoming is not None:
            self._incoming.cancel()

    def _noticed(self, waits: bool) -> None:
        self._is_awaited = waits and self._turn is not None
        if self._is_awaited:
            self._between_events()  # also where a message came while another was handled
        else:
            self.is_idle = False

    def _between_events(self) -> None:
        """Say that the consumer handles nothing in this moment."""
        self.is_idle = True
        self._on_wait()
        self.is_idle = self._is_awaited and self._turn is not None and not self._turn.done()

    def _deliver(self) -> None:
        if self._messages and self._turn is not None and not self._turn.done():
            self._hand_over(self._messages.popleft())

    def _hand_over(self, message: Any) -> None:
        self.is_idle = False
        if self._turn is not None:
            self._turn.set_result(message)

    def _queue(self) -> deque[Any]:
        if self._messages is None:
            self._messages = deque()
        return self._messages

    async def _fetch(self) -> None:
        try:
            message = await self._receive()
            self._has_left = message["type"] == "websocket.disconnect"
            await self._before(message)
        except asyncio.CancelledError:
            if self._turn is not None:
                self._turn.cancel()  # it may be the server's doing
            raise
        except Exception as error:  # noqa: BLE001 - it is the consumer's to handle
            self._incoming = None
            self.fail(error)
        else:
            self._incoming = None
            self.put(message)
