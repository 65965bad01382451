"""``scope["user"]`` by Django's own rules, reading only: a failed check never ends the session."""

from typing import Any

from channels.auth import UserLazyObject
from channels.db import aclose_old_connections
from channels.middleware import BaseMiddleware
from django.contrib import auth

from ..session import SessionStore
from .socket import SCOPE_KEY


class _ReadOnlySession:
    """What ``django.contrib.auth.aget_user`` sees of a session: it may neither flush nor rotate.

    It flushes a session whose hash does not match the user's password, and rotates one whose hash
    was made with a fallback of SECRET_KEY. A socket can send no cookie, so both wait for a request.
    """

    def __init__(self, session: SessionStore) -> None:
        self._session = session

    async def aget(self, key: str, default: Any = None) -> Any:
        return await self._session.aget(key, default)

    async def aset(self, key: str, value: Any) -> None:
        pass

    async def acycle_key(self) -> None:
        pass

    async def aflush(self) -> None:
        pass


class _Request:
    """As much of a request as ``django.contrib.auth.aget_user`` asks for."""

    def __init__(self, session: SessionStore) -> None:
        self.session = _ReadOnlySession(session)


async def aget_user(session: SessionStore) -> Any:
    """Return the user of a session, or AnonymousUser; fallbacks of SECRET_KEY count."""
    if await session.ahas_key(auth.SESSION_KEY):
        await aclose_old_connections()  # no request of HTTP has done so for this thread
    return await auth.aget_user(_Request(session))  # type: ignore[arg-type]


class LiveAuthMiddleware(BaseMiddleware):
    """Put ``scope["user"]`` beside the ``scope["session"]`` of LiveSessionMiddleware."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Look the user up and run the inner application."""
        if "session" not in scope:
            raise ValueError("LiveAuthMiddleware needs LiveSessionMiddleware around it.")
        user = UserLazyObject()

        async def resolve() -> None:
            user._wrapped = await aget_user(scope["session"])

        await resolve()
        scope[SCOPE_KEY].resolve_user = resolve
        scope = dict(scope, user=user)
        return await super().__call__(scope, receive, send)
