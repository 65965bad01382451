"""Log in and out over a socket, and hand the cookie to the page."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest

from .. import claims, executors
from ..conf import config

_BROWSER_KEYS = "redis_sessions.browser_keys"  # where a scope holds what its browser may hold


async def login(scope: Any, user: Any, backend: str | None = None) -> None:
    """Log a user in over a socket, as ``django.contrib.auth.login`` does over HTTP.

    The session is rotated: this socket goes on with it, all others of the session are closed. The
    page needs its cookie: see claim().
    """
    _browser_keys(scope)  # before the rotation
    await auth.alogin(_request(scope), user, backend)
    await scope["session"].asave()
    if user is not scope["user"]:
        scope["user"]._wrapped = user


async def logout(scope: Any) -> None:
    """Log out over a socket: the session ends, and every socket of it is closed, this one too."""
    await auth.alogout(_request(scope))
    from django.contrib.auth.models import AnonymousUser  # models need the apps to be ready

    scope["user"]._wrapped = AnonymousUser()


async def claim(scope: Any) -> str:
    """Return a claim for the page: posted to the claim view, it brings the session's cookie.

    Needed after a session began or was rotated over a socket that had been accepted. Saves the
    session first. Raises ValueError where there is nothing to claim.
    """
    session, formers = scope["session"], _browser_keys(scope)
    if session.key is None and session.is_obsolete():
        raise ValueError("This session holds nothing yet, so there is no cookie to claim.")
    await session.asave()
    text, command = claims.make(session.key, formers)
    await executors.arun(config().alias, command)
    return text


def _browser_keys(scope: Any) -> set[str | None]:
    """Return the session keys of which the page's browser holds one, None for none.

    One came with the handshake, and was deleted with ``accept`` where it was of no session. Others
    were sent to it since, with ``accept`` or by claims. Whether all that arrived is not known.
    """
    session, presented = scope["session"], scope["cookies"].get(settings.SESSION_COOKIE_NAME)
    is_known = session.id is not None and (presented or "").startswith(session.id)
    keys: set[str | None] = scope.setdefault(
        _BROWSER_KEYS, {presented} if is_known else {presented, None}
    )
    if session.session_key is not None:
        keys.add(session.session_key)
    return keys


def _request(scope: Any) -> HttpRequest:
    """Return what Django's auth and the receivers of its signals need of a request."""
    request = HttpRequest()
    request.META = {
        f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}": value.decode("latin-1")
        for name, value in scope.get("headers", [])
    }
    request.META["REMOTE_ADDR"] = (scope.get("client") or [""])[0]
    request.session, request.user = scope["session"], scope["user"]
    request.auser = _auser(request.user)
    return request


def _auser(user: Any) -> Callable[[], Awaitable[Any]]:
    async def auser() -> Any:
        return user

    return auser
