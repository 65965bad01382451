"""Cookies and headers are those of Django's own session middleware, visit by visit."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from redis_sessions.session import SessionStore
from tests.browser import OURS, STOCK, AsyncBrowser, Browser, cookie_of, deletes_cookie
from tests.conftest import record_of

pytestmark = pytest.mark.urls("tests.views")

ANOTHER = "0123456789" * 4  # well-formed and unknown


@pytest.fixture(params=[Browser, AsyncBrowser], ids=["wsgi", "asgi"])
def make_browser(request: pytest.FixtureRequest) -> type[Browser]:
    return request.param


@pytest.fixture
def browser(make_browser: type[Browser]) -> Browser:
    return make_browser()


def _said(response: Any) -> dict[str, Any]:
    """Return what a response says of its cookie and its caching, without the session's key."""
    cookie = cookie_of(response)
    said = {"status": response.status_code, "vary": response.headers.get("Vary")}
    if cookie is None:
        return said
    expires = cookie["expires"] and round(_seconds_to(cookie["expires"]) / 30)
    return (
        said
        | dict(cookie)
        | {"name": cookie.key, "value": bool(cookie.value)}
        | {"expires": expires}
    )


def _seconds_to(date: str) -> float:
    return max(0, parsedate_to_datetime(date).timestamp() - time.time())


def _visits(browser: Browser) -> list[Any]:
    """Begin, read, change, renew and end a session; then present one that is unknown."""
    seen = [
        browser.get("untouched"),
        browser.call(["get", "name"]),
        browser.call(["update", {"name": "Ada"}]),
        browser.get("untouched"),
        browser.call(["get", "name"]),
        browser.call(["update", {"name": "Grace"}]),
        browser.call(["update", {"name": "lost"}], status=500),
        browser.call(["update", {"name": "kept"}], status=404),
        browser.call(["cycle_key"]),
        browser.call(["set_expiry", 100]),
        browser.call(["set_expiry", 0]),
        browser.call(["get", "name"]),
        browser.call(["flush"]),
    ]
    browser.key = ANOTHER
    return [*seen, browser.get("untouched"), browser.call(["get", "name"])]


COOKIES = {
    "the defaults": {},
    "another name": {"SESSION_COOKIE_NAME": "sid"},
    "a domain": {"SESSION_COOKIE_DOMAIN": "testserver"},
    "a path": {"SESSION_COOKIE_PATH": "/shop/"},
    "strict": {"SESSION_COOKIE_SAMESITE": "Strict"},
    "from any site": {"SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_SECURE": True},
    "samesite unsaid": {"SESSION_COOKIE_SAMESITE": False},
    "secure": {"SESSION_COOKIE_SECURE": True},
    "for scripts too": {"SESSION_COOKIE_HTTPONLY": False},
    "an age": {"SESSION_COOKIE_AGE": 4711},
    "until the browser closes": {"SESSION_EXPIRE_AT_BROWSER_CLOSE": True},
}


@pytest.mark.parametrize("case", COOKIES)
def test_every_visit_sets_the_cookie_as_djangos_own_middleware_does(
    make_browser: type[Browser], settings, case: str
) -> None:
    for name, value in COOKIES[case].items():
        setattr(settings, name, value)
    ours = [_said(response) for response in _visits(make_browser())]
    settings.MIDDLEWARE = [STOCK if name == OURS else name for name in settings.MIDDLEWARE]
    stock = [_said(response) for response in _visits(make_browser())]
    assert ours == stock


def test_the_comparison_sees_a_cookie_that_is_set_renewed_and_deleted(browser: Browser) -> None:
    said = [_said(response) for response in _visits(browser)]
    assert ["value" in visit and visit["value"] for visit in said] == [
        *[False, False, True, False, False, True, False, True, True, True, True, False],
        *[False, False, False],
    ]
    assert [visit["vary"] for visit in said[:4]] == [None, "Cookie", "Cookie", None]
    assert said[2]["max-age"] == 1209600
    assert said[9]["max-age"] == 100
    assert said[10]["max-age"] == ""
    assert said[12]["max-age"] == said[14]["max-age"] == 0


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_with_save_every_request_a_session_with_data_gets_its_cookie_each_time(
    browser: Browser, settings, known: bool
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    if known:
        browser.call(["update", {"name": "Ada"}])
    key = browser.key
    response = browser.get("untouched")
    assert (cookie_of(response) is not None) is known
    assert browser.key == key


def test_with_save_every_request_an_unknown_cookie_begins_no_session(
    browser: Browser, settings, redis_client
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    browser.key = ANOTHER
    assert deletes_cookie(browser.call(["get", "name"]))
    browser.key = ANOTHER
    assert deletes_cookie(browser.get("untouched"))
    assert redis_client.keys() == []


@pytest.mark.parametrize("save_every_request", [False, True])
def test_the_cookie_of_a_superseded_session_is_left_alone(
    browser: Browser, settings, save_every_request: bool
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = save_every_request
    browser.call(["update", {"name": "Ada"}])
    SessionStore(browser.key).cycle_key()  # the login response is on its way with the new one
    for response in browser.get("untouched"), browser.call(["get", "name"]):
        assert response.status_code == 200
        assert cookie_of(response) is None
    assert browser.returned(["get", "name"]) == [None]


def test_the_cookie_of_a_session_superseded_long_ago_is_deleted(
    browser: Browser, redis_client
) -> None:
    browser.call(["update", {"name": "Ada"}])
    session = SessionStore(browser.key)
    session.cycle_key()
    previous = redis_client.hget(record_of(session), b"\0p")
    redis_client.hset(record_of(session), b"\0p", previous[:16] + b"1000000000")
    assert deletes_cookie(browser.call(["get", "name"]))
    assert SessionStore(session.session_key)["name"] == "Ada"


@pytest.mark.parametrize("rolling", [True, False], ids=["rolling", "fixed"])
def test_the_cookie_is_sent_again_when_the_session_was_touched(
    browser: Browser, settings, redis_client, rolling: bool
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": rolling}
    browser.call(["update", {"name": "Ada"}])
    record = record_of(SessionStore(browser.key))
    expiry = int(redis_client.hget(record, b"\0x")) - 3600
    redis_client.hset(record, b"\0x", expiry)
    response = browser.call(["get", "name"])
    assert (cookie_of(response) is not None) is rolling
    if rolling:
        assert cookie_of(response)["max-age"] == 1209600
        assert cookie_of(browser.call(["get", "name"])) is None  # no touch is due
    assert (int(redis_client.hget(record, b"\0x")) > expiry) is rolling


def test_a_touch_may_be_due_at_every_visit(browser: Browser, settings) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True, "TOUCH_INTERVAL": 0}
    browser.call(["update", {"name": "Ada"}])
    for call in ["get", "name"], ["update", {"name": "Grace"}]:
        assert cookie_of(browser.call(call)) is not None
    assert browser.returned(["get", "name"]) == ["Grace"]


def test_a_serializer_that_never_writes_the_same_twice_saves_at_every_visit(
    browser: Browser, settings
) -> None:
    settings.SESSION_SERIALIZER = "tests.views.Restless"
    browser.call(["update", {"basket": ["tea"]}])
    assert browser.returned(["get", "basket"]) == [["tea"]]
    assert browser.call(["update", {"name": "Ada"}]).status_code == 200
