"""The session middleware when the server is down (503), and when a session is gone (400)."""

from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY

from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.session import SessionStore
from tests import views
from tests.browser import OURS, STOCK, AsyncBrowser, Browser, cookie_of, deletes_cookie
from tests.caches import caches
from tests.faults.settings import impatient
from tests.proxy import proxied
from tests.servers import Server, free_port

pytestmark = pytest.mark.urls("tests.views")

KEY = "0123456789" * 4  # well-formed


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)


@pytest.fixture(params=[Browser, AsyncBrowser], ids=["wsgi", "asgi"])
def make_browser(request: pytest.FixtureRequest) -> type[Browser]:
    return request.param


@pytest.fixture
def browser(make_browser: type[Browser]) -> Browser:
    return make_browser()


@pytest.fixture
def down(settings: Any) -> None:
    """Point sessions at a server that is not there."""
    settings.CACHES = caches(f"redis://:hunter2@127.0.0.1:{free_port()}/0")


def _is_unavailable(response: Any) -> bool:
    """Tell whether a response asks to come back later, and leaves cookies as they are."""
    assert cookie_of(response) is None
    assert "no-store" in response.headers["Cache-Control"]
    return response.status_code == 503 and int(response.headers["Retry-After"]) > 0


@pytest.mark.usefixtures("down")
def test_a_view_that_needs_the_session_answers_503(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    browser.key = KEY
    assert _is_unavailable(browser.call(["get", "name"]))
    assert "CACHES['sessions']" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.usefixtures("down")
def test_a_session_that_cannot_be_saved_answers_503(browser: Browser) -> None:
    assert _is_unavailable(browser.call(["update", {"name": "Ada"}]))
    assert _is_unavailable(browser.call(["create"]))


@pytest.mark.usefixtures("down")
def test_a_page_without_a_session_is_served_nevertheless(browser: Browser) -> None:
    assert browser.get("untouched").status_code == 200
    browser.key = KEY
    assert browser.get("untouched").status_code == 200
    assert browser.call(["has_key", "name"]).status_code == 503
    browser.key = "malformed"
    assert browser.call(["get", "name"]).status_code == 200


@pytest.mark.usefixtures("down")
def test_with_save_every_request_each_page_with_a_cookie_answers_503(
    browser: Browser, settings
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    assert browser.get("untouched").status_code == 200
    browser.key = KEY
    assert _is_unavailable(browser.get("untouched"))


@pytest.mark.usefixtures("down")
def test_a_view_may_answer_for_itself(browser: Browser) -> None:
    browser.key = KEY
    response = browser.get("answers_for_itself")
    assert (response.status_code, response.content) == (200, b"without")
    assert cookie_of(response) is None


@pytest.mark.parametrize("change", [["update", {"name": "late"}], ["pop", "name"]], ids=str)
def test_a_server_that_fails_between_read_and_save_answers_503(
    browser: Browser, settings, server: Server, monkeypatch: pytest.MonkeyPatch, change: list[Any]
) -> None:
    with proxied(server, settings) as proxy:
        monkeypatch.setattr(views, "happens", lambda _: setattr(proxy, "lose_requests", True))
        browser.call(["update", {"name": "Ada"}])
        assert _is_unavailable(browser.call(change, ["happens"]))
    settings.CACHES = caches(server.url)
    assert SessionStore(browser.key)["name"] == "Ada"


LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


@pytest.mark.usefixtures("down")
def test_another_middleware_that_needs_the_session_answers_503(
    make_browser: type[Browser], settings
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:2], LOGIN_REQUIRED]
    browser = make_browser(raise_request_exception=False)
    browser.key = KEY
    assert _is_unavailable(browser.get("untouched"))


@pytest.mark.usefixtures("down")
def test_a_test_client_raises_what_another_middleware_raised(browser: Browser, settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:2], LOGIN_REQUIRED]
    browser.key = KEY
    with pytest.raises(SessionStoreUnavailable):
        browser.get("untouched")


@pytest.mark.usefixtures("down")
def test_with_the_stock_middleware_a_server_that_is_down_is_an_error_like_any(
    make_browser: type[Browser], settings
) -> None:
    settings.MIDDLEWARE = [STOCK, *settings.MIDDLEWARE[1:]]
    with pytest.raises(SessionStoreUnavailable):
        make_browser().call(["update", {"name": "Ada"}])
    response = make_browser(raise_request_exception=False).call(["update", {"name": "Ada"}])
    assert response.status_code == 500
    assert cookie_of(response) is None


def test_an_error_of_the_view_saves_nothing_and_stays_an_error(
    make_browser: type[Browser], redis_client
) -> None:
    response = make_browser(raise_request_exception=False).get("fails")
    assert (response.status_code, cookie_of(response)) == (500, None)
    assert redis_client.keys() == []
    with pytest.raises(ZeroDivisionError):
        make_browser().get("fails")


def _end(key: str) -> None:
    SessionStore(key).delete()


def _rotate(key: str) -> None:
    SessionStore(key).cycle_key()


CHANGES: dict[str, list[list[Any]]] = {
    "set": [["update", {"name": "late"}]],
    "set and saved by the view": [["update", {"name": "late"}], ["save"]],
    "removed": [["pop", "theme"]],
    "removed and saved by the view": [["pop", "theme"], ["save"]],
    "rotated by the view": [["cycle_key"]],
}


@pytest.mark.parametrize("session_middleware", [OURS, STOCK], ids=["ours", "stock"])
@pytest.mark.parametrize("other", [_end, _rotate])
@pytest.mark.parametrize("case", CHANGES)
def test_a_change_of_a_session_that_ended_or_was_rotated_meanwhile_answers_400(
    browser: Browser, settings, monkeypatch, session_middleware: str, other: Any, case: str
) -> None:
    settings.MIDDLEWARE = [session_middleware, *settings.MIDDLEWARE[1:]]
    monkeypatch.setattr(views, "happens", other)
    browser.call(["update", {"name": "Ada", "theme": "dark", SESSION_KEY: "1"}])
    key = browser.key
    response = browser.call(["get", "name"], ["happens"], *CHANGES[case])
    assert (response.status_code, cookie_of(response)) == (400, None)
    assert not SessionStore().exists(key)


def test_a_visitor_whose_session_ended_goes_on_without_one(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "happens", _end)
    browser.call(["update", {"name": "Ada"}])
    browser.call(["get", "name"], ["happens"], ["update", {"name": "late"}])
    assert browser.returned(["get", "name"]) == [None]
    assert browser.key is None
    browser.call(["update", {"name": "Grace"}])
    assert browser.returned(["get", "name"]) == ["Grace"]


def test_an_emptied_session_that_ended_meanwhile_is_no_error(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "happens", _end)
    browser.call(["update", {"name": "Ada"}])
    assert deletes_cookie(browser.call(["pop", "name"], ["happens"]))


def test_an_emptied_session_that_was_rotated_meanwhile_answers_400(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh: list[SessionStore] = []

    def rotate(key: str) -> None:
        fresh.append(SessionStore(key))
        fresh[0].cycle_key()

    monkeypatch.setattr(views, "happens", rotate)
    browser.call(["update", {"name": "Ada"}])
    response = browser.call(["pop", "name"], ["happens"])
    assert (response.status_code, cookie_of(response)) == (400, None)
    assert SessionStore(fresh[0].session_key)["name"] == "Ada"


def test_an_obsolete_session_that_was_rotated_meanwhile_keeps_its_cookie(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "happens", _rotate)
    session = SessionStore()
    session["basket"] = []
    session.save()
    browser.key = session.session_key
    response = browser.call(["get", "basket"], ["happens"])
    assert (response.status_code, cookie_of(response)) == (200, None)
