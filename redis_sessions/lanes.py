"""Connections of one event loop for calls that the server holds up: each serves one at a time.

On the connection that all tasks share, everybody would wait behind such a call. No names of
commands.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from redis import exceptions as errors

from .wires import SharedConnection

_NONE_FREE = "No connection available."


class Lanes:
    """At most ``max_connections`` are open; who finds none free waits up to ``timeout`` seconds."""

    def __init__(self, **parameters: Any) -> None:
        self._parameters = parameters
        timeout: float | None = parameters["timeout"]
        self._patience = math.inf if timeout is None else timeout
        self._places = asyncio.Semaphore(parameters["max_connections"])
        self._free: list[SharedConnection] = []
        self._made: list[SharedConnection] = []

    @asynccontextmanager
    async def lane(self, until: float = math.inf) -> AsyncIterator[SharedConnection]:
        """Have a connection. Raises redis.MaxConnectionsError, at ``until`` at the latest."""
        patience = max(0.0, min(self._patience, until - monotonic()))
        try:
            async with asyncio.timeout(None if patience == math.inf else patience):
                await self._places.acquire()
        except TimeoutError:
            raise errors.MaxConnectionsError(_NONE_FREE) from None
        lane = self._free.pop() if self._free else self._make()
        try:
            yield lane
        except BaseException:
            lane.retire()  # who was cancelled has left a reply behind that may take long
            raise
        finally:
            self._free.append(lane)
            self._places.release()

    async def aclose(self) -> None:
        """Close what is open; the next call connects anew."""
        for lane in self._made:
            await lane.aclose()

    def _make(self) -> SharedConnection:
        lane = SharedConnection(**self._parameters)
        self._made.append(lane)
        return lane
