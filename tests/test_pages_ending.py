"""The forms of the page of a user's sessions: what they end, and for whom."""

import re
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory

from redis_sessions import users
from redis_sessions.pages import EndOtherSessionsView, EndSessionView, SessionListView
from redis_sessions.session import SessionStore
from tests.people import credentials, person
from tests.rooms import HALVES, LIST, OTHERS, Browse, Browser, browsing, end_of, in_rooms, words

pytestmark = pytest.mark.django_db

NOBODYS = "0" * 14

_site = pytest.fixture(in_rooms, autouse=True, name="_site")
browse = pytest.fixture(browsing, params=HALVES, name="browse")


def test_one_session_can_be_ended(browse: Browse) -> None:
    phone, tablet, desk = browse(agent="curl/8.5.0"), browse(), browse()
    response = desk.post(end_of(phone.id))
    assert (response.status_code, response.url) == (302, LIST)
    assert not phone.is_signed_in()
    assert tablet.is_signed_in()
    shown = words(desk.page())
    assert "curl is signed out." in shown
    assert "curl This session" not in shown


def test_all_other_sessions_can_be_ended(browse: Browse) -> None:
    others, grace = [browse(), browse()], browse(User.objects.create(username="grace"))
    desk = browse()
    response = desk.post(OTHERS)
    assert (response.status_code, response.url) == (302, LIST)
    assert [other.is_signed_in() for other in others] == [False, False]
    assert "2 other sessions are ended." in words(desk.page())
    assert grace.is_signed_in()


def test_a_single_other_session_is_told_as_one(browse: Browse) -> None:
    browse()
    desk = browse()
    desk.post(OTHERS)
    assert "1 other session is ended." in words(desk.page())


def test_who_has_one_session_only_is_offered_no_end_of_others(browse: Browse) -> None:
    desk = browse()
    assert OTHERS not in desk.page()
    desk.post(OTHERS)
    assert "You are signed in nowhere else." in words(desk.page())
    browse()
    assert OTHERS in desk.page()


@pytest.mark.parametrize(("target", "url"), [(None, "/in/"), ("/out/", "/out/"), ("in", "/in/")])
def test_to_end_the_session_at_hand_is_a_logout(
    browse: Browse, settings: Any, target: str | None, url: str
) -> None:
    settings.LOGOUT_REDIRECT_URL = target
    desk = browse()
    response = desk.post(end_of(desk.id))
    assert (response.status_code, response.url) == (302, url)
    assert response.cookies["sessionid"]["max-age"] == 0
    assert not desk.is_signed_in()
    assert "You are signed out." in desk.get("/in/").content.decode()


def test_nobody_elses_session_can_be_ended_nor_told_from_one_that_does_not_exist(
    browse: Browse,
) -> None:
    grace, desk = browse(User.objects.create(username="grace")), browse()
    theirs, nobodys = desk.post(end_of(grace.id)), desk.post(end_of(NOBODYS))
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.content == nobodys.content
    assert theirs.headers == nobodys.headers
    assert grace.is_signed_in()


@pytest.mark.parametrize(
    "session_id", ["x", "A" * 14, "0" * 40, "0" * 5000, "%00", "..", "%7B*%7D", "%F0%9F%A6%86"]
)
def test_what_cannot_be_an_id_is_not_found(browse: Browse, session_id: str) -> None:
    assert browse().post(end_of(session_id)).status_code == 404


def test_a_session_that_ended_meanwhile_is_not_found(browse: Browse) -> None:
    phone, desk = browse(), browse()
    assert desk.post(end_of(phone.id)).status_code == 302
    assert desk.post(end_of(phone.id)).status_code == 404


def test_who_is_not_logged_in_is_sent_to_the_login_and_then_to_the_list(browse: Browse) -> None:
    desk = browse()
    stranger = Browser(desk.half)
    for response in (
        stranger.get(),
        stranger.post(OTHERS),
        stranger.post(end_of(desk.id)),
        stranger.get(end_of(desk.id)),
    ):
        assert (response.status_code, response.url) == (302, f"/in/?next={LIST}")
    assert desk.is_signed_in()


def test_a_site_may_refuse_who_is_not_logged_in() -> None:
    view = EndOtherSessionsView.as_view(raise_exception=True)
    with pytest.raises(PermissionDenied):
        view(_request(AnonymousUser(), SessionStore(), "post"))


def test_sessions_are_ended_by_post_only(browse: Browse) -> None:
    phone, desk = browse(), browse()
    for url in (end_of(phone.id), OTHERS):
        response = desk.get(url)
        assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")
    assert phone.is_signed_in()


@pytest.mark.parametrize("has_middleware", [True, False])
def test_a_form_of_another_site_ends_nothing(
    browse: Browse, settings: Any, has_middleware: bool
) -> None:
    if has_middleware:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]
    phone, desk = browse(), browse(enforce_csrf_checks=True)
    for url in (end_of(desk.id), end_of(phone.id), OTHERS):
        assert desk.post(url).status_code == 403
    assert [phone.is_signed_in(), desk.is_signed_in()] == [True, True]
    tokens = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', desk.page())
    assert len(tokens) == 3
    assert desk.post(end_of(phone.id), csrfmiddlewaretoken=tokens[0]).status_code == 302
    assert not phone.is_signed_in()


@pytest.mark.parametrize(
    "pk", [UUID("5b0c6f9e-1f8a-4a51-8f0d-0b6f0d0e7a11"), "a:{b}", "{c}:d e/\u00e4<", "x" * 300]
)
def test_users_with_odd_primary_keys_see_and_end_their_sessions(pk: Any) -> None:
    user = person(pk)
    here, there, third = (_session_of(user) for _ in range(3))
    page = SessionListView.as_view()(_request(user, here)).render().content.decode()
    assert page.count('class="session"') == 3
    view = EndSessionView.as_view()
    assert view(_request(user, here, "post"), session_id=there.id).status_code == 302
    assert EndOtherSessionsView.as_view()(_request(user, here, "post")).status_code == 302
    assert [one.id for one in users.sessions_of(user)] == [here.id]
    assert not third.exists(third.session_key)


def _session_of(user: Any) -> SessionStore:
    session = SessionStore()
    session.update(credentials(user))
    session.save()
    return session


def _request(user: Any, session: SessionStore, method: str = "get") -> Any:
    request = getattr(RequestFactory(), method)(LIST)
    request.user, request.session = user, session
    request._dont_enforce_csrf_checks = True
    return request
