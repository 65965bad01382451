"""What a site changes of the page of a user's sessions, as the documentation shows it."""

import importlib
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import include, path

from redis_sessions import users
from redis_sessions.pages import EndOtherSessionsView
from redis_sessions.session import SessionStore
from redis_sessions.signals import session_ended
from tests.documents import DOCS, modules
from tests.people import FIREFOX, credentials
from tests.rooms import LIST, OTHERS, Browser, end_of, templates, words
from tests.rooms import urlpatterns as rooms

pytestmark = pytest.mark.django_db

USERS = DOCS / "users.rst"
FORM = "{{ form.errors }}"


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.rooms"
    settings.TEMPLATES = templates(**{"confirm.html": FORM, "registration/login.html": FORM})
    settings.LOGIN_URL = "in"


Shop = Callable[[str], ModuleType]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Write the modules of the page as the package ``shop``; return what imports one of them."""
    tmp_path.joinpath("shop").mkdir()
    for name, text in modules(USERS).items():
        tmp_path.joinpath(name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda name: importlib.import_module(f"shop.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def template(number: int) -> str:
    """Return one of the templates of the page."""
    text = USERS.read_text("utf-8")
    return dedent(re.findall(r"html\+django\n\n((?: {8}.*\n)+)", text)[number])


def at(address: str, pattern: Any) -> type:
    """Return a module of addresses: those of the tests' site, and one of the example."""
    return type("urls", (), {"urlpatterns": [path(address, pattern), *rooms]})


def test_the_frame_of_the_page_is_the_sites(settings: Any) -> None:
    site = "<body><h1>Shop</h1>{% block main %}{% endblock %}"
    settings.TEMPLATES = templates(**{"site.html": site, "redis_sessions/base.html": template(0)})
    page = Browser().log_in().page()
    assert "<article>" in page
    assert words(page).startswith("Shop Where you are signed in")


def test_a_block_of_the_page_is_the_sites(settings: Any) -> None:
    settings.TEMPLATES = templates(**{"redis_sessions/session_list.html": template(1)})
    page = Browser().log_in().page()
    assert "You do not know one of these?" in page
    assert "Firefox on Linux" in page
    assert "not in use any more" not in page


def test_a_session_of_the_list_is_shown_as_the_site_wants(settings: Any) -> None:
    own = "<li>{{ session.id }}</li>"
    settings.TEMPLATES = templates(**{"redis_sessions/session.html": own})
    desk = Browser().log_in()
    assert f"<li>{desk.id}</li>" in desk.page()


def test_a_message_is_what_the_site_says(settings: Any) -> None:
    class View(EndOtherSessionsView):
        def message(self, ended: Any) -> str:
            return f"Bye, {len(ended)}"

    settings.ROOT_URLCONF = at("others/", View.as_view())
    Browser().log_in()
    desk = Browser().log_in()
    desk.post("/others/")
    assert "Bye, 1" in words(desk.page())


@pytest.fixture
def strict(shop: Shop, settings: Any) -> Browser:
    """A browser on the site that asks for the password; Ada's is "secret"."""
    settings.ROOT_URLCONF = at("", include(shop("account_urls").urlpatterns))
    user = User.objects.create_user("ada", password="secret")
    return Browser().log_in(user)


def test_the_site_asks_for_the_password_before_it_ends_a_session(strict: Browser) -> None:
    phone = Browser().log_in(strict.user)
    for url in (OTHERS, end_of(phone.id)):
        response = strict.post(url)
        assert (response.status_code, response.url) == (302, "/confirm/")
    assert phone.is_signed_in()
    assert "not your password" in strict.post("/confirm/", password="wrong").content.decode()
    assert strict.post(OTHERS).url == "/confirm/"
    assert strict.post("/confirm/", password="secret").url == LIST
    assert strict.post(end_of(phone.id)).url == LIST
    assert not phone.is_signed_in()


def test_a_password_counts_for_five_minutes(
    strict: Browser, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = shop("pages")
    strict.post("/confirm/", password="secret")
    assert strict.post(OTHERS).url == LIST
    now = pages.time.time()
    monkeypatch.setattr(pages, "time", type("clock", (), {"time": lambda: now + 301}))
    assert strict.post(OTHERS).url == "/confirm/"


def test_nobody_is_asked_for_the_password_to_sign_out(strict: Browser) -> None:
    assert strict.post(end_of(strict.id)).url == "/in/"
    assert not strict.is_signed_in()


def test_the_addresses_of_the_site_that_asks_are_those_of_the_package(strict: Browser) -> None:
    assert 'action="/sessions/end/' in strict.page()
    assert strict.post("/sessions/claim/").status_code == 403  # it wants an Origin


def test_the_login_form_says_that_there_are_too_many_sessions(
    shop: Shop,
    settings: Any,
) -> None:
    settings.ROOT_URLCONF = at("login/", shop("login").Login.as_view())
    settings.LOGIN_REDIRECT_URL = LIST
    settings.REDIS_SESSIONS = {"MAX_SESSIONS_PER_USER": 1, "OVER_LIMIT": "refuse"}
    user = User.objects.create_user("ada", password="secret")
    first, second = Browser(), Browser()
    given = {"username": "ada", "password": "secret"}
    assert first.post("/login/", **given).url == LIST
    refused = second.post("/login/", **given)
    assert refused.status_code == 200
    assert "too many devices" in refused.content.decode()
    assert not second.is_signed_in()
    assert first.is_signed_in()
    assert users.count(user) == 1


def test_the_limit_of_the_page_is_one_session_for_staff(shop: Shop) -> None:
    limit = shop("limits").sessions_of_staff
    assert [limit(User(is_staff=True)), limit(User())] == [1, None]


def test_the_views_of_the_page_list_and_end(shop: Shop, settings: Any) -> None:
    account = shop("account")
    views = [
        path("all/", account.sessions),
        path("end/others/", account.end_others),
        path("end/<str:session_id>/", account.end),
    ]
    settings.ROOT_URLCONF = at("account/", include(views))
    phone, tablet, desk = (Browser("ASGI").log_in() for _ in range(3))
    answer = desk.get("/account/all/").json()
    assert answer["sessions"] == dict.fromkeys((phone.id, tablet.id, desk.id), "Firefox on Linux")
    assert answer["current"] == [desk.id]
    assert desk.get(f"/account/end/{phone.id}/").json() == {"ended": 1}
    assert desk.get(f"/account/end/{phone.id}/").status_code == 404
    assert desk.get("/account/end/others/").json() == {"ended": 1}
    assert desk.get("/account/all/").json()["sessions"] == {desk.id: "Firefox on Linux"}


def test_the_receiver_of_the_page_notes_an_end(
    shop: Shop,
    caplog: pytest.LogCaptureFixture,
) -> None:
    audit = shop("audit")
    caplog.set_level(logging.INFO, "shop.audit")
    user = User.objects.create(username="ada")
    session = SessionStore()
    session.meta = {"HTTP_USER_AGENT": FIREFOX}
    session.update(credentials(user))
    session.save()
    try:
        users.end_sessions(user)
    finally:
        session_ended.disconnect(audit.note_end)
    assert caplog.messages == [f"Session {session.id} of user {user.pk} ended: revoked"]
