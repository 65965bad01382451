"""The page "Active sessions" of Django's admin. It has no table, and shows no data.

Another AdminSite has it by ``site.register(ActiveSession, ActiveSessionAdmin)``.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import django
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, router, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from . import lookup, staff, users
from .models import ActiveSession
from .session import SessionStore
from .staff import SessionDetails

if TYPE_CHECKING:
    Base = admin.ModelAdmin[ActiveSession]
else:
    Base = admin.ModelAdmin

logger = logging.getLogger("redis_sessions")


class Seen(NamedTuple):
    """A session that somebody may see, and its user, as far as there is one."""

    details: SessionDetails
    owner: Any
    is_current: bool  # it is that of the request

    @property
    def name(self) -> ActiveSession:
        """What permissions and the log are asked about."""
        return _named(self.details.id, self.owner)


@admin.register(ActiveSession)
class ActiveSessionAdmin(Base):
    """Search a user, list their sessions, look at one, end some."""

    list_per_page = 100
    users_shown = 50  # of those that a search finds

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the list, of what ends sessions, and of one session."""
        views = [("", "changelist"), ("end/", "end"), ("<str:object_id>/", "change")]
        return [
            path(
                route,
                self.admin_site.admin_view(getattr(self, f"{name}_view")),
                name=self._url_name(name),
            )
            for route, name in views
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sessions begin elsewhere."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing of a session can be changed here."""
        return False

    def has_keys_permission(self, request: HttpRequest) -> bool:
        """Tell whether names and sizes of a session's keys may be shown."""
        return request.user.has_perm(f"{self.opts.app_label}.view_session_keys")

    def get_users(self, request: HttpRequest) -> lookup.Users:
        """Return the users whose sessions may be shown: those that the page of users knows."""
        page = self._users_page()
        return lookup.everybody() if page is None else page.get_queryset(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the sessions of a user, or what a search finds; one match is shown at once."""
        _insist(self.has_view_permission(request))
        if "user" in request.GET:
            return self._list(request, request.GET["user"], extra_context or {})
        query = request.GET.get("q", "").replace("\0", "").strip()  # not every database takes NUL
        found = self._search(request, query) if query else []
        seen = self._see(request, query)
        if seen and not found:
            return self._to("change", query)
        if len(found) == 1 and not seen:
            return self._to_list(found[0])
        shown = [(user, users.user_id(user)) for user in found[: self.users_shown]]
        context = {"query": query, "found": shown, "more": len(found) > self.users_shown}
        return self._page(request, "search", **context, seen=seen, **(extra_context or {}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show what a session consists of."""
        _insist(self.has_view_permission(request))
        seen = self._see(request, object_id)
        if seen is None:
            return self._missing(request, _("There is no session “%s”.") % object_id)
        _insist(self.has_view_permission(request, seen.name))
        return self._page(
            request,
            "session",
            seen=seen,
            subtitle=seen.details.id,
            owner=seen.owner,
            state=seen.details.kind.replace("_", " "),
            owner_key=seen.details.user_id,
            has_keys_permission=self.has_keys_permission(request),
            has_delete_permission=self.has_delete_permission(request, seen.name),
            **(extra_context or {}),
        )

    @method_decorator(require_POST)
    def end_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether sessions are to end, and if that is so, end them."""
        _insist(self.has_delete_permission(request))
        key = request.POST.get("user", "")
        owner = lookup.user_with_key(key, self.get_users(request))
        ends_all = owner is not None and "all" in request.POST
        _insist(not ends_all or self.has_delete_permission(request, _named("", owner)))
        chosen = [] if ends_all else self._chosen(request)
        if not ends_all and not chosen:
            self.message_user(request, _("No session was chosen."), messages.WARNING)
        elif "confirmed" not in request.POST:
            what = {"ends_all": ends_all, "chosen": chosen, "title": _("End sessions")}
            told = {"owner": owner, "owner_key": key, "subtitle": owner}
            return self._page(request, "end", **what, **told)
        else:
            ended = self._end_all(request, owner) if ends_all else self._end(chosen)
            self._report(request, ended)
        return self._to_list(owner) if owner else self._to("changelist")

    def _list(self, request: HttpRequest, key: str, extra: dict[str, Any]) -> HttpResponse:
        owner = lookup.user_with_key(key, self.get_users(request))
        if owner is None:
            return self._missing(request, _("There is no user with the key “%s”.") % key)
        _insist(self.has_view_permission(request, _named("", owner)))
        page, size = _page_number(request), self.list_per_page
        infos = users.sessions_of(owner, _current(request), offset=page * size, limit=size)
        has_more = staff.has_more(users.user_id(owner), (page + 1) * size)
        others = [info for info in infos if not info.is_current]
        return self._page(
            request,
            "sessions",
            subtitle=owner,
            owner=owner,
            owner_key=users.user_id(owner),
            sessions=infos,
            has_others=bool(others),
            has_several=len(infos) > 1 or page > 0 or has_more,
            former=page - 1 if page else None,
            next=page + 1 if has_more else None,
            has_delete_permission=self.has_delete_permission(request, _named("", owner)),
            **extra,
        )

    def _search(self, request: HttpRequest, query: str) -> list[Any]:
        """Find users by name and key, and as the page of users does for those who may view it."""
        everybody, page = self.get_users(request), self._users_page()
        found = lookup.users_called(query, everybody)
        if page and page.has_view_permission(request) and page.get_search_fields(request):
            matches, has_duplicates = page.get_search_results(request, everybody, query)
            matches = matches.distinct() if has_duplicates else matches
            found += [user for user in matches[: self.users_shown + 1] if user not in found]
        return found

    def _see(self, request: HttpRequest, session_id: str) -> Seen | None:
        """Return a session; None where there is none, or its user is not one of get_users()."""
        details = staff.details(session_id)
        if details is None:
            return None
        key, current = details.user_id or "", _current(request)
        owner = lookup.user_with_key(key, self.get_users(request))
        if owner is None and lookup.user_with_key(key) is not None:
            return None
        return Seen(details, owner, current is not None and current.id == session_id)

    def _chosen(self, request: HttpRequest) -> list[Seen]:
        """Return the sessions that were ticked and may be ended: not that of the request."""
        looks = (self._see(request, session_id) for session_id in request.POST.getlist("id"))
        return [
            seen
            for seen in looks
            if seen and not seen.is_current and self.has_delete_permission(request, seen.name)
        ]

    def _end(self, chosen: Sequence[Seen]) -> list[ActiveSession]:
        return [seen.name for seen in chosen if staff.end(seen.details.id)]

    def _end_all(self, request: HttpRequest, owner: Any) -> list[ActiveSession]:
        ended = users.end_sessions(owner, keep=_current(request))
        return [_named(info.id, owner) for info in ended]

    def _report(self, request: HttpRequest, ended: Any) -> None:
        """Tell what was ended, and log it as the admin does, where the database can be written."""
        text = ngettext("Ended %d session.", "Ended %d sessions.", len(ended)) % len(ended)
        self.message_user(request, text, messages.SUCCESS if ended else messages.WARNING)
        if ended:
            self._log(request, ended)

    def _log(self, request: HttpRequest, ended: Any) -> None:
        from django.contrib.admin.models import LogEntry

        try:
            with transaction.atomic(using=router.db_for_write(LogEntry)):
                self.log_deletions(request, ended)
        except DatabaseError as error:
            ids = ", ".join(session.pk for session in ended)
            told = (request.user.pk, ids, error)
            logger.warning("User %s has ended the sessions %s; the admin has no log: %s", *told)

    def _users_page(self) -> Any:
        """Return what this site shows users with; None where it does not."""
        model = get_user_model()
        return (
            self.admin_site.get_model_admin(model) if self.admin_site.is_registered(model) else None
        )

    def _page(self, request: HttpRequest, name: str, **context: Any) -> HttpResponse:
        site = self.admin_site.each_context(request)
        own = {"opts": self.opts, "title": _("Active sessions")}
        every = site | own | {"breadcrumbs_are_a_list": django.VERSION >= (6, 1)}
        return TemplateResponse(request, f"admin/redis_sessions/{name}.html", every | context)

    def _missing(self, request: HttpRequest, text: str) -> HttpResponse:
        self.message_user(request, text, messages.WARNING)
        return self._to("changelist")

    def _to_list(self, owner: Any) -> HttpResponse:
        return self._to("changelist", user=users.user_id(owner))

    def _to(self, name: str, *args: str, **query: str) -> HttpResponse:
        url = f"admin:{self._url_name(name)}"
        url = reverse(url, args=args, current_app=self.admin_site.name)
        return HttpResponseRedirect(f"{url}?{urlencode(query)}" if query else url)

    def _url_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"


def _insist(is_allowed: bool) -> None:
    if not is_allowed:
        raise PermissionDenied


def _named(session_id: str, owner: Any) -> ActiveSession:
    """Return a session as permissions know it; an empty id stands for all of a user's."""
    session = ActiveSession(id=session_id)
    session.user = owner
    return session


def _current(request: HttpRequest) -> SessionStore | None:
    """Return the session of the request, if it is one of ours."""
    session = request.session
    return session if isinstance(session, SessionStore) else None


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
