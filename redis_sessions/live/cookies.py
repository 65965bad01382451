"""Cookies of a scope, in and out. Their format and rules are Channels' and Django's."""

from typing import Any

from channels.sessions import CookieMiddleware as ChannelsCookieMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from ..session import SessionStore


class CookieMiddleware(ChannelsCookieMiddleware):
    """Put ``scope["cookies"]`` together from all Cookie headers (HTTP/2 may send several)."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Run the inner application with ``scope["cookies"]``."""
        cookies = [value for name, value in scope.get("headers", []) if name == b"cookie"]
        if len(cookies) > 1:
            others = [header for header in scope["headers"] if header[0] != b"cookie"]
            scope = dict(scope, headers=[*others, (b"cookie", b"; ".join(cookies))])
        return await super().__call__(scope, receive, send)


def session_headers(
    cookies: dict[str, str], session: SessionStore, *, is_written: bool
) -> list[tuple[bytes, bytes]]:
    """Return the Set-Cookie headers that a response to ``cookies`` carries for a saved session.

    ``is_written`` says that it was saved since it was loaded. The rules are those of the HTTP
    side: every ``SESSION_COOKIE_*`` setting counts.
    """
    due = is_written or session.touched or settings.SESSION_SAVE_EVERY_REQUEST
    if not due and not session.is_empty():
        return []
    from ..middleware import SessionMiddleware  # it imports models, an asgi.py this before them

    request, response = HttpRequest(), HttpResponse()
    request.COOKIES = cookies
    request.session = session
    middleware = SessionMiddleware(lambda _: response)
    if session.is_empty():
        response = middleware.process_response(request, response)
    else:
        response = middleware.process_saved(request, response, session)
    return [
        (b"set-cookie", morsel.OutputString().encode("latin-1"))
        for morsel in response.cookies.values()
    ]
