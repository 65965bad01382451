"""A visitor: a browser with one jar of cookies, which asks for pages and opens sockets."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import AsyncClient

from redis_sessions.live import LiveSessionMiddlewareStack
from redis_sessions.session import SessionStore

BOUND = 10  # seconds, for whatever should come about soon

Headers = Iterable[tuple[bytes, bytes]]


async def until(condition: Callable[[], Any]) -> Any:
    """Return what ``condition`` gives once that is true."""
    async with asyncio.timeout(BOUND):
        while not (found := condition()):  # noqa: ASYNC110 - another process may change it
            await asyncio.sleep(0.002)
    return found


class Socket(WebsocketCommunicator):
    """A socket, open inside ``async with``."""

    async def __aenter__(self) -> Self:
        accepted, _ = await self.connect(BOUND)
        assert accepted
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is None and not self.future.done():
            await self.disconnect(timeout=BOUND)
        self.stop(exceptions=False)

    async def receive_output(self, timeout: float = BOUND) -> Any:  # noqa: ASYNC109 - Channels'
        """Return the next message, or raise what the application raised."""
        output = asyncio.ensure_future(self.output_queue.get())
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait([output, self.future], timeout=BOUND, return_when=first)
        if output.done():
            return output.result()
        output.cancel()
        if self.future.done():
            self.future.result()
        raise AssertionError("nothing was sent")

    async def wait(self, timeout: float = BOUND) -> None:  # noqa: ASYNC109 - Channels'
        """Wait for the end of the application; raise what it raised."""
        await asyncio.wait([self.future], timeout=BOUND)
        assert self.future.done(), "the application goes on"
        self.future.result()

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Tell the consumer to do something, and return its answer."""
        await self.tell(do, **arguments)
        return await self.receive_json_from()

    async def tell(self, do: str, **arguments: Any) -> None:
        await self.send_json_to({"do": do, **arguments})

    async def leave(self) -> None:
        await self.disconnect(timeout=BOUND)

    @property
    def set_cookies(self) -> list[str]:
        """What the accepted handshake sets."""
        return [value.decode() for name, value in self.response_headers if name == b"set-cookie"]


class Visitor:
    """Somebody with a browser of their own."""

    def __init__(self) -> None:
        self.client = AsyncClient()

    @property
    def session_key(self) -> str | None:
        morsel = self.client.cookies.get(settings.SESSION_COOKIE_NAME)
        return morsel.value if morsel else None

    @property
    def record(self) -> str:
        """The key of the session's record in the server."""
        return f"session:{{{self.session_key[:14]}}}"

    async def change(self, page: str = "change", **values: Any) -> None:
        """Change the session by HTTP."""
        await self.visit(page, values)

    async def visit(self, page: str, values: Any = None) -> Any:
        response = await self.client.post(f"/{page}/", values or {}, "application/json")
        assert response.status_code == 200, response.content
        return response

    def stored(self) -> dict[str, Any]:
        """Return what the server holds of the session at this moment, no matter what loop runs."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: dict(SessionStore(self.session_key).items())).result()

    async def shown(self) -> dict[str, Any]:
        """Return what the session holds, as HTTP sees it."""
        return (await self.visit("show")).json()

    def socket(self, consumer: Any, path: str = "/", headers: Headers = ()) -> Socket:
        """Open a socket to a consumer, with the cookies of this browser."""
        application = consumer.as_asgi() if hasattr(consumer, "as_asgi") else consumer
        return self.raw_socket(LiveSessionMiddlewareStack(application), path, headers)

    def raw_socket(self, application: Any, path: str = "/", headers: Headers = ()) -> Socket:
        return Socket(application, path, [*headers, *self.cookie_headers()])

    def cookie_headers(self) -> list[tuple[bytes, bytes]]:
        pairs = [f"{name}={morsel.value}" for name, morsel in self.client.cookies.items()]
        return [(b"cookie", "; ".join(pairs).encode())] if pairs else []
