"""Django's own users, messages and CSRF protection on our sessions, with either middleware."""

from typing import Any

import pytest
import redis
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User

from redis_sessions.session import SessionStore
from tests.browser import AsyncBrowser, Browser, cookie_of, deletes_cookie

pytestmark = [pytest.mark.urls("tests.views"), pytest.mark.django_db]

OURS = ["redis_sessions.middleware.SessionMiddleware"]
OURS += ["redis_sessions.middleware.AuthenticationMiddleware"]
STOCK = ["django.contrib.sessions.middleware.SessionMiddleware"]
STOCK += ["django.contrib.auth.middleware.AuthenticationMiddleware"]
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"


@pytest.fixture(autouse=True, params=[OURS, STOCK], ids=["ours", "stock"])
def middleware(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.MIDDLEWARE = [*request.param, MESSAGES]


@pytest.fixture(params=[Browser, AsyncBrowser], ids=["wsgi", "asgi"])
def make_browser(request: pytest.FixtureRequest) -> type[Browser]:
    return request.param


@pytest.fixture
def browser(make_browser: type[Browser]) -> Browser:
    return make_browser()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="one")


@pytest.fixture
def grace() -> User:
    return User.objects.create_user("grace", password="one")


def _who(browser: Browser) -> str:
    return browser.get("whoami").content.decode()


def test_who_logs_in_is_known_until_the_logout(
    browser: Browser, ada: User, redis_client: redis.Redis
) -> None:
    assert _who(browser) == ""
    assert cookie_of(browser.get("login", user="ada")) is not None
    assert _who(browser) == "ada"
    assert SessionStore(browser.key)[SESSION_KEY] == str(ada.pk)
    assert deletes_cookie(browser.get("logout"))
    assert _who(browser) == ""
    assert [*redis_client.scan_iter("session:{*")] == []


def test_a_login_keeps_the_data_and_the_id_and_exchanges_the_secret(
    browser: Browser, ada: User
) -> None:
    browser.call(["update", {"basket": ["tea"]}])
    before = SessionStore(browser.key)
    browser.get("login", user="ada")
    after = SessionStore(browser.key)
    assert after["basket"] == ["tea"]
    assert after.id == before.id
    assert after.session_key != before.session_key
    assert before.get("basket") is None


def test_a_login_with_a_cookie_of_nobody_begins_a_session_of_its_own(
    browser: Browser, ada: User
) -> None:
    browser.key = planted = "0123456789" * 4
    browser.get("login", user="ada")
    assert _who(browser) == "ada"
    assert SessionStore(browser.key).id != planted[:14]


def test_a_login_as_another_user_starts_from_nothing(
    browser: Browser, ada: User, grace: User
) -> None:
    browser.get("login", user="ada")
    browser.call(["update", {"secret of ada": 1}])
    key = browser.key
    browser.get("login", user="grace")
    assert _who(browser) == "grace"
    assert "secret of ada" not in SessionStore(browser.key)
    assert SessionStore(browser.key).id != SessionStore(key).id
    assert not SessionStore().exists(key)


def test_a_changed_password_keeps_this_session_and_no_other(
    make_browser: type[Browser], ada: User
) -> None:
    browser, elsewhere = make_browser(), make_browser()
    browser.get("login", user="ada")
    elsewhere.get("login", user="ada")
    before = SessionStore(browser.key)
    browser.get("change_password")
    assert (_who(browser), _who(elsewhere)) == ("ada", "")
    after = SessionStore(browser.key)
    assert after.id == before.id
    assert after.session_key != before.session_key
    assert after[HASH_SESSION_KEY] != before.get(HASH_SESSION_KEY)


def test_a_changed_secret_key_keeps_sessions_while_the_old_one_is_a_fallback(
    browser: Browser, ada: User, settings
) -> None:
    browser.get("login", user="ada")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new one"
    assert [_who(browser), _who(browser)] == ["ada", "ada"]
    settings.SECRET_KEY_FALLBACKS = []
    assert _who(browser) == "ada"  # Django rotated the session's key when it upgraded its hash


def test_djangos_test_client_logs_in_and_out(browser: Browser, ada: User) -> None:
    browser.client.force_login(ada)
    assert _who(browser) == "ada"
    browser.client.logout()
    assert _who(browser) == ""
    assert browser.client.login(username="ada", password="one")
    assert _who(browser) == "ada"


@pytest.mark.parametrize("storage", ["session.SessionStorage", "fallback.FallbackStorage"])
def test_messages_wait_in_the_session_for_the_next_page(
    browser: Browser, settings, storage: str
) -> None:
    settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
    browser.get("say", text="Hello")
    browser.get("say", text="World")
    assert browser.get("said").content == b"Hello, World"
    assert browser.get("said").content == b""


def test_messages_that_were_read_leave_no_session(
    browser: Browser, settings, redis_client: redis.Redis
) -> None:
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
    browser.get("say", text="Hello")
    assert browser.key is not None
    assert deletes_cookie(browser.get("said"))
    assert redis_client.keys() == []


def test_csrf_tokens_in_the_session_are_checked(make_browser: type[Browser], settings) -> None:
    settings.CSRF_USE_SESSIONS = True
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, CSRF]
    browser = make_browser(enforce_csrf_checks=True)
    assert browser.post("untouched").status_code == 403
    token = browser.get("token").content.decode()
    assert "_csrftoken" in SessionStore(browser.key)
    assert browser.post("untouched", csrfmiddlewaretoken="wrong").status_code == 403
    assert browser.post("untouched", csrfmiddlewaretoken=token).status_code == 200


def test_a_login_rotates_the_csrf_token_in_the_session(
    make_browser: type[Browser], ada: User, settings
) -> None:
    settings.CSRF_USE_SESSIONS = True
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, CSRF]
    browser = make_browser(enforce_csrf_checks=True)
    before = browser.get("token").content.decode()
    browser.get("login", user="ada")
    assert browser.post("untouched", csrfmiddlewaretoken=before).status_code == 403
    after = browser.get("token").content.decode()
    assert browser.post("untouched", csrfmiddlewaretoken=after).status_code == 200
