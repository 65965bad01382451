"""The applications behind the sockets that are measured: with each engine, what its author writes.

A frame is the name of a method, and its answer what the method returns.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.sessions import CookieMiddleware, SessionMiddlewareStack
from django.conf import settings

from redis_sessions.live import LiveSessionMiddleware, LiveSessionMiddlewareStack

from .operations import KEY


class Echo(AsyncWebsocketConsumer):
    """Knows no session."""

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        """Answer a frame with itself."""
        await self.send(text_data)


class Live(AsyncWebsocketConsumer):
    """Reads and writes as if the session were a dict."""

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        """Answer a frame."""
        await self.send(str(getattr(self, text_data)()))

    def read(self) -> Any:
        """Read a key."""
        return self.scope["session"][KEY]

    def write(self) -> Any:
        """Write a key. The save comes before the answer leaves."""
        self.scope["session"][KEY] += 1
        return self.scope["session"][KEY]

    anew_read, anew_write = read, write  # it is fresh


class Copied(AsyncWebsocketConsumer):
    """Has a copy of the session from the time when it connected, and saves by hand.

    ``asave()`` hops to a thread twice, ``save()`` in a thread is the cheaper of the two. The same
    goes for what is loaded anew.
    """

    async def connect(self) -> None:
        """Load the session, not in the event loop."""
        await self.scope["session"].aget(KEY)
        await self.accept()

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        """Answer a frame."""
        await self.send(str(await getattr(self, text_data)()))

    async def read(self) -> Any:
        """Read a key of the copy."""
        return self.scope["session"][KEY]

    async def write(self) -> Any:
        """Write a key of the copy, and the copy over what is stored."""
        self.scope["session"][KEY] += 1
        await sync_to_async(self.scope["session"].save)()
        return self.scope["session"][KEY]

    @sync_to_async
    def anew_read(self) -> Any:
        """Read what is stored now."""
        return self._stored()[KEY]

    @sync_to_async
    def anew_write(self) -> Any:
        """Write a key, and nothing older than a moment."""
        session = self._stored()
        session[KEY] += 1
        session.save()
        return session[KEY]

    def _stored(self) -> Any:
        store = import_module(settings.SESSION_ENGINE).SessionStore
        return store(self.scope["session"].session_key)


Stack = Callable[[Any], Any]

APPLICATIONS: dict[str, tuple[Any, Stack, Stack]] = {  # with a session alone, with its user
    "ours": (
        Live,
        lambda inner: CookieMiddleware(LiveSessionMiddleware(inner)),
        LiveSessionMiddlewareStack,
    ),
    "cache": (Copied, SessionMiddlewareStack, AuthMiddlewareStack),
    "bare": (Echo, lambda inner: inner, lambda inner: inner),
}


def application(engine: str, *, user: bool = True) -> Any:
    """Return an application whose consumer has a session, and its user if asked."""
    consumer, session, session_and_user = APPLICATIONS[engine]
    return (session_and_user if user else session)(consumer.as_asgi())
