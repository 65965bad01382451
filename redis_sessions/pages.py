"""The user's page: where they are signed in, and how to end that. No names of Redis here.

The views are sync: the user's row and the template are work for a thread in Django, so that async
views would hop no less.
"""

import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.generic import TemplateView, View

from . import users
from .useragents import describe
from .users import SessionInfo

_PAGE_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_APP = "redis_sessions"


@method_decorator([csrf_protect, never_cache], name="dispatch")
class SessionListView(LoginRequiredMixin, TemplateView):
    """Where the user is signed in.

    The template gets ``sessions``, a list of SessionInfo, ``has_others``, which tells whether there
    is more than the current one, ``previous_page`` and ``next_page``: numbers, or None, and
    ``namespace``, under which its addresses are found.
    """

    template_name = "redis_sessions/session_list.html"
    paginate_by = 50

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        number = _page_number(self.request.GET.get("page", "1"))
        sessions = self.sessions_on(number)
        is_last = not self.sessions_on(number + 1)
        return super().get_context_data(
            namespace=_namespace(self.request),
            sessions=sessions,
            has_others=number > 1 or not is_last or any(not one.is_current for one in sessions),
            previous_page=number - 1 or None,
            next_page=None if is_last else number + 1,
            **kwargs,
        )

    def sessions_on(self, number: int) -> list[SessionInfo]:
        """Return the sessions of one page, of which the first is 1."""
        offset = (number - 1) * self.paginate_by
        session: Any = self.request.session
        return users.sessions_of(self.request.user, session, offset=offset, limit=self.paginate_by)


@method_decorator([csrf_protect, never_cache], name="dispatch")
class EndingView(LoginRequiredMixin, View):
    """What the views share that end sessions: each takes a POST, and redirects to the list."""

    def reauthenticate(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return a response to be given instead: one that asks for the password, say.

        None, which it is here, goes on. Nobody is asked who signs out of the session at hand.
        """
        return None

    def message(self, ended: Sequence[SessionInfo]) -> str:
        """Return what the user is told after sessions of theirs were ended."""
        raise NotImplementedError

    def handle_no_permission(self) -> Any:
        """Send to the login, and from there to the list: a POST cannot be redirected to."""
        if self.raise_exception:
            return super().handle_no_permission()
        return redirect_to_login(
            self.list_url(), self.get_login_url(), self.get_redirect_field_name()
        )

    def list_url(self) -> str:
        """Return the address of the list."""
        return reverse(f"{_namespace(self.request)}:session_list")

    def tell(self, ended: Sequence[SessionInfo]) -> HttpResponse:
        """Redirect to the list, with a message."""
        messages.success(self.request, self.message(ended), fail_silently=True)
        return redirect(self.list_url())


class EndSessionView(EndingView):
    """End one of the user's sessions; the one at hand by a logout."""

    def post(self, request: HttpRequest, session_id: str) -> HttpResponseBase:
        """End it; 404 where the user has no such session, whether anybody else has."""
        if session_id == request.session.id:  # type: ignore[attr-defined]
            return self.log_out(request)
        return self.reauthenticate(request) or self.end(request, session_id)

    def end(self, request: HttpRequest, session_id: str) -> HttpResponse:
        """End a session that is not the one at hand."""
        ended = users.end_session(request.user, session_id)
        if ended is None:
            raise Http404(gettext("You have no such session."))
        return self.tell([ended])

    def log_out(self, request: HttpRequest) -> HttpResponse:
        """End the session at hand, and redirect as Django does after a logout."""
        logout(request)
        messages.success(request, gettext("You are signed out."), fail_silently=True)
        return redirect(settings.LOGOUT_REDIRECT_URL or settings.LOGIN_URL)

    def message(self, ended: Sequence[SessionInfo]) -> str:
        """See EndingView."""
        device = describe(ended[0].user_agent)
        return gettext("%(device)s is signed out.") % {"device": device}


class EndOtherSessionsView(EndingView):
    """End all sessions of the user but the one at hand."""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """End them."""
        return self.reauthenticate(request) or self.end(request)

    def end(self, request: HttpRequest) -> HttpResponse:
        """End all but the session at hand."""
        session: Any = request.session
        return self.tell(users.end_sessions(request.user, keep=session))

    def message(self, ended: Sequence[SessionInfo]) -> str:
        """See EndingView."""
        if not ended:
            return gettext("You are signed in nowhere else.")
        text = ngettext(
            "%(count)d other session is ended.", "%(count)d other sessions are ended.", len(ended)
        )
        return text % {"count": len(ended)}


def _namespace(request: HttpRequest) -> str:
    """Return the namespace of a page's addresses: that of the request, if it is one of ours.

    A site may have included them more than once, or below a namespace of its own.
    """
    match = request.resolver_match
    is_ours = match is not None and match.app_names[-1:] == [_APP]
    return match.namespace if match is not None and is_ours else _APP


def _page_number(text: str) -> int:
    if not _PAGE_NUMBER.fullmatch(text):
        raise Http404(gettext("There is no such page."))
    return int(text)
