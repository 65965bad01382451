"""For the tests of a site: sockets with the session of a test client. Not for a running site.

With pytest: ``pytest_plugins = ["redis_sessions.testing"]`` in ``conftest.py`` gives the fixture
``live_socket``. Without: use connected() and wait_until().
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from inspect import isawaitable
from typing import Any

from django.test.client import AsyncClient, Client

try:
    from channels.testing import WebsocketCommunicator
except ImportError as error:  # it imports Daphne
    raise ImportError(
        'redis_sessions.testing needs: pip install "django-redis-live-sessions[testing]"'
    ) from error


class LiveCommunicator(WebsocketCommunicator):
    """A WebsocketCommunicator that sends the cookies of a Django test client, if one is given."""

    def __init__(
        self, application: Any, path: str, client: Client | AsyncClient | None = None, **kwargs: Any
    ) -> None:
        cookies = client.cookies.items() if client is not None else ()
        header = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies)
        headers = [*kwargs.pop("headers", ()), *([(b"cookie", header.encode())] if header else ())]
        super().__init__(application, path, headers=headers, **kwargs)


@asynccontextmanager
async def connected(
    application: Any, path: str, client: Client | AsyncClient | None = None, **kwargs: Any
) -> AsyncIterator[LiveCommunicator]:
    """Open a socket with a client's session, and close it at the end of the block.

    Raises ConnectionRefusedError where the consumer does not accept.
    """
    socket = LiveCommunicator(application, path, client, **kwargs)
    accepted, code = await socket.connect()
    if not accepted:
        raise ConnectionRefusedError(f"The consumer did not accept the socket: {code}")
    try:
        yield socket
    finally:
        await socket.disconnect()


async def wait_until(
    condition: Callable[[], Any | Awaitable[Any]], *, within: float = 3.0, pause: float = 0.01
) -> Any:
    """Ask again and again until ``condition()`` is true, and return what it returned.

    ``condition`` may be a coroutine function. Raises TimeoutError after ``within`` seconds.
    """
    async with asyncio.timeout(within):
        while True:
            answer = condition()
            if isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(pause)


async def _live_socket() -> AsyncIterator[Callable[..., Awaitable[LiveCommunicator]]]:
    """``await live_socket(application, path, client)`` opens sockets that the test's end closes."""
    async with AsyncExitStack() as stack:

        async def open_socket(*args: Any, **kwargs: Any) -> LiveCommunicator:
            return await stack.enter_async_context(connected(*args, **kwargs))

        yield open_socket


if find_spec("pytest") is not None:  # the helpers above need none
    import pytest

    live_socket = pytest.fixture(_live_socket, name="live_socket")
