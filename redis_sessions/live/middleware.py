"""Channels middleware: ``scope["session"]``, the session that the HTTP side has too."""

import logging
from importlib import import_module
from typing import Any

from channels.middleware import BaseMiddleware
from django.conf import settings

from ..exceptions import SessionStoreUnavailable
from ..session import SessionStore
from .auth import LiveAuthMiddleware
from .codes import CloseCode
from .cookies import CookieMiddleware
from .socket import SCOPE_KEY, LiveSession

logger = logging.getLogger("redis_sessions")

_OF_THE_CLIENT = (b"user-agent", b"x-forwarded-for")


class LiveSessionMiddleware(BaseMiddleware):
    """Load the session before the consumer starts, and save it without a call.

    Needs ``scope["cookies"]``: see LiveSessionMiddlewareStack.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Run the inner application with a session in its scope."""
        if "cookies" not in scope:
            raise ValueError("LiveSessionMiddleware needs CookieMiddleware around it.")
        session = _engine()(scope["cookies"].get(settings.SESSION_COOKIE_NAME))
        session.meta = _meta(scope)
        live = LiveSession(session, scope, receive, send)
        try:
            await live.open()
            inner: Any = {**scope, "session": session, SCOPE_KEY: live}
            return await super().__call__(inner, live.receive, live.send)
        except SessionStoreUnavailable as error:
            logger.info("A socket is turned away: %s", error)  # the outage itself is logged once
            if live.has_begun:  # the consumer asked the server by itself
                return live.give_up()
            if live.has_answered:  # what was begun can only be broken off
                raise
            return await _refuse(scope, receive, send)
        finally:
            await live.finish()


def LiveSessionMiddlewareStack(inner: Any) -> CookieMiddleware:  # noqa: N802 - named as Channels'
    """Wrap an application in cookies, live session and user."""
    return CookieMiddleware(LiveSessionMiddleware(LiveAuthMiddleware(inner)))


def _engine() -> type[SessionStore]:
    store: type[SessionStore] = import_module(settings.SESSION_ENGINE).SessionStore
    return store


def _meta(scope: Any) -> dict[str, str]:
    """Return what ``request.META`` would tell of the client."""
    headers = dict(scope.get("headers", ()))
    meta = {
        f"HTTP_{name.decode().upper().replace('-', '_')}": headers[name].decode("latin-1")
        for name in _OF_THE_CLIENT
        if name in headers
    }
    return {"REMOTE_ADDR": (scope.get("client") or [""])[0], **meta}


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    """Tell the client to come back later. A page sees a code only of a socket that was accepted."""
    if scope["type"] != "websocket":
        await send(
            {"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"5")]}
        )
        await send({"type": "http.response.body", "body": b""})
        return
    await receive()
    await send({"type": "websocket.accept"})
    reason = "The service is unavailable for the moment."
    await send({"type": "websocket.close", "code": CloseCode.UNAVAILABLE.number, "reason": reason})
