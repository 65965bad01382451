"""Django's session and authentication middleware: no thread hop under ASGI, nothing kept for nothing.

The rules for cookies and Vary are Django's own, called. No names of Redis here.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

from .exceptions import SessionStoreUnavailable
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

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request; under ASGI return an awaitable for that."""
        if self.async_mode:
            return self.__acall__(request)
        self.process_request(request)
        response = self.get_response(request)
        try:
            if _is_suppressed(request, response):
                request.session.end_obsolete()
            return self.process_response(request, response)
        except SessionStoreUnavailable as error:
            return self.process_exception(request, error)

    async def __acall__(self, request: HttpRequest) -> Any:
        """See __call__()."""
        self.process_request(request)
        response = await self.get_response(request)
        try:
            if _is_suppressed(request, response):
                await request.session.aend_obsolete()
            elif _is_saved(request, response):
                await request.session._aget_session()  # the cookie's age depends on it
                await request.session.asave()
            return self.process_response(request, response)
        except SessionStoreUnavailable as error:
            return self.process_exception(request, error)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Set or delete the cookie by Django's rules; they save what is not saved yet."""
        session = getattr(request, "session", None)
        if getattr(session, "unavailable", False) and response.status_code >= 500:
            return self._unavailable()  # also where another middleware met the error
        if getattr(session, "touched", False):
            session.modified = True  # the cookie lives as long as the session
        return super().process_response(request, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 where the server failed; then no cookie is changed."""
        if not isinstance(exception, SessionStoreUnavailable):
            return None
        logger.error("%s", exception)
        return self._unavailable()

    def _unavailable(self) -> HttpResponse:
        headers = {"Retry-After": str(self.retry_after), "Cache-Control": "no-store"}
        return HttpResponse(
            "The service is unavailable for the moment. Please try again.\n",
            content_type="text/plain; charset=utf-8",
            status=503,
            headers=headers,
        )


class AuthenticationMiddleware(DjangoAuthentication):
    """``request.user`` and ``request.auser()``.

    Put it in the place of ``django.contrib.auth.middleware.AuthenticationMiddleware``.
    """

    async def __acall__(self, request: HttpRequest) -> Any:
        """Answer a request under ASGI: nothing here needs a thread."""
        self.process_request(request)
        return await self.get_response(request)


def _is_suppressed(request: HttpRequest, response: Any) -> bool:
    """Tell whether the session holds nothing worth a record and a cookie.

    One that the view itself stored keeps its key: somebody asked for that.
    """
    session = getattr(request, "session", None)
    return (
        response.status_code < 500
        and isinstance(session, SessionStore)
        and not session.began
        and session.is_obsolete()
    )


def _is_saved(request: HttpRequest, response: Any) -> bool:
    """Tell whether Django's middleware is going to save the session."""
    session = getattr(request, "session", None)
    return (
        response.status_code < 500
        and isinstance(session, SessionStore)
        and not session.is_empty()
        and (session.modified or session.touched or settings.SESSION_SAVE_EVERY_REQUEST)
    )
