"""Django's session and authentication middleware, without thread hops and empty sessions.

The rules for cookies and Vary are Django's own, called. No names of Redis here.
"""

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from .exceptions import LockLost, SessionLocked, SessionStoreUnavailable, TooManySessions
from .session import SessionStore

logger = logging.getLogger("redis_sessions")


class SessionMiddleware(DjangoSessionMiddleware):
    """``request.session``, loaded at first use and saved after the view.

    Put it in the place of ``django.contrib.sessions.middleware.SessionMiddleware``.
    """

    retry_after = 5  # seconds, told in a 503

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if not issubclass(self.SessionStore, SessionStore):
            raise ImproperlyConfigured(
                f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}; this middleware needs"
                ' "redis_sessions.session", or an engine whose SessionStore is a subclass of its.'
            )

    def process_request(self, request: HttpRequest) -> None:
        """Put ``request.session`` there. No I/O."""
        super().process_request(request)
        request.session.meta = request.META  # type: ignore[attr-defined]

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request; under ASGI return an awaitable for that."""
        if self.async_mode:
            return self.__acall__(request)
        self.process_request(request)
        response = self.get_response(request)
        session = _store(request)
        try:
            if session and _is_loaded_anyway(session, response):
                session._get_session()
            if session and _is_suppressed(session, response):
                session.end_obsolete()
            return self.process_response(request, response)
        except SessionStoreUnavailable as error:
            return self.process_exception(request, error)
        except TooManySessions as error:
            return self.process_response(request, response_for_exception(request, error))

    async def __acall__(self, request: HttpRequest) -> Any:
        """See __call__()."""
        self.process_request(request)
        response: Any = await self.get_response(request)  # type: ignore[misc]
        session = _store(request)
        try:
            if session and _is_loaded_anyway(session, response):
                await session._aget_session()
            if session and _is_suppressed(session, response):
                await session.aend_obsolete()
            elif session and _is_saved(session, response):
                await session.asave()
                return self.process_saved(request, response, session)
            return self.process_response(request, response)
        except SessionStoreUnavailable as error:
            return self.process_exception(request, error)
        except TooManySessions as error:
            respond = sync_to_async(
                response_for_exception, thread_sensitive=False
            )  # as Django does
            return self.process_response(request, await respond(request, error))

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Set or delete the cookie by Django's rules; they save what is not saved yet."""
        session = _store(request)
        if session and session.unavailable and response.status_code >= 500:
            return self.unavailable_response()  # also where another middleware met the error
        if session and _is_left_alone(session):
            patch_vary_headers(response, ("Cookie",))
            return response
        if session and session.touched:
            session.modified = True  # the cookie lives as long as the session
        return super().process_response(request, response)

    def process_saved(self, request: HttpRequest, response: Any, session: SessionStore) -> Any:
        """Set the cookie of a session that was saved just now. No I/O."""
        request.session = _Saved(session)  # type: ignore[assignment]
        try:
            return super().process_response(request, response)
        finally:
            request.session = session

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 where the server failed, without a change of the cookie; 409 for a lock."""
        if isinstance(exception, SessionLocked | LockLost):
            logger.warning("%s", exception)
            return _try_again(
                409, "Another request of your session is at work. Please try again.", after=1
            )
        if not isinstance(exception, SessionStoreUnavailable):
            return None
        return self.unavailable_response()

    def unavailable_response(self) -> HttpResponse:
        """Return the answer of a site whose session server is away."""
        text = "The service is unavailable for the moment. Please try again."
        return _try_again(503, text, after=self.retry_after)


if apps.is_installed("django.contrib.auth"):  # else Django's cannot be imported
    from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication

    class AuthenticationMiddleware(DjangoAuthentication):
        """``request.user`` and ``request.auser()``.

        Put it in the place of ``django.contrib.auth.middleware.AuthenticationMiddleware``.
        """

        async def __acall__(self, request: HttpRequest) -> Any:
            """Answer a request under ASGI: nothing here needs a thread."""
            self.process_request(request)
            return await self.get_response(request)  # type: ignore[misc]


class _Saved:
    """A session as Django's middleware is to see it when it needs no saving any more."""

    modified = True

    def __init__(self, session: SessionStore) -> None:
        self._session = session

    def save(self) -> None:
        """Do nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def _try_again(status: int, text: str, *, after: int) -> HttpResponse:
    headers = {"Retry-After": str(after), "Cache-Control": "no-store"}
    plain = "text/plain; charset=utf-8"
    return HttpResponse(f"{text}\n", content_type=plain, status=status, headers=headers)


def _store(request: HttpRequest) -> SessionStore | None:
    """Return the request's session, unless a view has put another engine's in its place."""
    session = getattr(request, "session", None)
    return session if isinstance(session, SessionStore) else None


def _is_loaded_anyway(session: SessionStore, response: Any) -> bool:
    """Tell whether Django's middleware will need the session, used or not: for the cookie's age."""
    if session.key is None or response.status_code >= 500:
        return False
    return settings.SESSION_SAVE_EVERY_REQUEST


def _is_left_alone(session: SessionStore) -> bool:
    """Tell whether the cookie is that of a login whose response is under way."""
    return session.superseded and not session.modified


def _is_suppressed(session: SessionStore, response: Any) -> bool:
    """Tell whether the session holds nothing worth a record and a cookie.

    One that the view itself stored keeps its key: somebody asked for that.
    """
    return response.status_code < 500 and not session.began and session.is_obsolete()


def _is_saved(session: SessionStore, response: Any) -> bool:
    """Tell whether Django's middleware is going to save the session."""
    if response.status_code >= 500 or session.is_empty() or _is_left_alone(session):
        return False
    return session.modified or session.touched or settings.SESSION_SAVE_EVERY_REQUEST
