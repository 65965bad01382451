"""The session middleware, under WSGI and under ASGI: what it keeps, and what it does not."""

import asyncio
from typing import Any

import pytest
import redis
from asgiref.sync import SyncToAsync
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory

from redis_sessions.middleware import AuthenticationMiddleware, SessionMiddleware
from redis_sessions.session import SessionStore
from tests import views
from tests.browser import OURS, STOCK, AsyncBrowser, Browser, cookie_of, deletes_cookie
from tests.conftest import record_of

pytestmark = pytest.mark.urls("tests.views")


@pytest.fixture(params=[Browser, AsyncBrowser], ids=["wsgi", "asgi"])
def browser(request: pytest.FixtureRequest) -> Browser:
    return request.param()


@pytest.fixture(params=[OURS, STOCK], ids=["ours", "stock"])
def either(request: pytest.FixtureRequest, settings: Any) -> str:
    """Our session middleware, or Django's own in its place."""
    settings.MIDDLEWARE = [request.param, *settings.MIDDLEWARE[1:]]
    return request.param


def _data(browser: Browser) -> dict[str, Any]:
    return dict(SessionStore(browser.key).items())


@pytest.mark.usefixtures("either")
def test_what_one_visit_puts_into_the_session_the_next_one_reads(browser: Browser) -> None:
    browser.call(["update", {"name": "Ada", "basket": {"tea": 2}}])
    assert browser.returned(["get", "name"], ["get", "basket"]) == ["Ada", {"tea": 2}]


@pytest.mark.usefixtures("either")
def test_a_nested_change_is_saved_without_a_word(browser: Browser) -> None:
    browser.call(["update", {"basket": {"tea": []}}])
    assert cookie_of(browser.get("append")) is not None
    assert _data(browser) == {"basket": {"tea": ["mint"]}}


@pytest.mark.usefixtures("either")
def test_two_visits_that_change_different_keys_both_win(browser: Browser) -> None:
    browser.call(["update", {"a": 0, "b": 0}])
    other = SessionStore(browser.key)
    other["a"] = 1
    browser.call(["update", {"b": 2}])
    other.save()
    assert _data(browser) == {"a": 1, "b": 2}


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("how", ["pop", "flush"])
def test_a_session_that_is_emptied_loses_record_and_cookie(
    browser: Browser, redis_client: redis.Redis, how: str
) -> None:
    browser.call(["update", {"name": "Ada"}])
    response = browser.call(["pop", "name"] if how == "pop" else ["flush"])
    assert deletes_cookie(response)
    assert redis_client.keys() == []


@pytest.mark.usefixtures("either")
def test_a_session_that_is_cleared_loses_record_and_cookie(
    browser: Browser, redis_client: redis.Redis
) -> None:
    browser.call(["update", {"name": "Ada"}])
    assert deletes_cookie(browser.get("clear"))
    assert redis_client.keys() == []


NOTHING_KNOWN: dict[str, list[list[Any]]] = {
    "read": [["get", "name"], ["keys"], ["has_key", "name"]],
    "set and removed": [["update", {"name": "Ada"}], ["pop", "name"]],
    "None": [["update", {"name": None}]],
    "empty containers": [["update", {"basket": {}, "seen": []}]],
    "an expiry only": [["set_expiry", 300]],
    "a default": [["setdefault", "basket", []]],
}


@pytest.mark.parametrize("case", NOTHING_KNOWN)
def test_a_visitor_about_whom_nothing_is_known_gets_no_record_and_no_cookie(
    browser: Browser, redis_client: redis.Redis, case: str
) -> None:
    response = browser.call(*NOTHING_KNOWN[case])
    assert cookie_of(response) is None
    assert redis_client.keys() == []


@pytest.mark.parametrize("value", [False, 0, "", [0], {"a": None}], ids=repr)
def test_everything_else_is_data(browser: Browser, value: Any) -> None:
    assert cookie_of(browser.call(["update", {"data": value}])) is not None
    assert _data(browser) == {"data": value}


@pytest.mark.parametrize("left", [{}, {"name": None}, {"name": []}], ids=repr)
def test_a_session_that_became_obsolete_loses_record_and_cookie(
    browser: Browser, redis_client: redis.Redis, left: dict[str, Any]
) -> None:
    browser.call(["update", {"name": "Ada"}], ["set_expiry", 300])
    response = browser.call(["update", left] if left else ["pop", "name"])
    assert deletes_cookie(response)
    assert redis_client.keys() == []


def test_a_session_that_was_obsolete_when_it_was_read_loses_record_and_cookie(
    browser: Browser, redis_client: redis.Redis
) -> None:
    session = SessionStore()
    session["basket"] = []
    session.save()
    browser.key = session.session_key
    assert cookie_of(browser.get("untouched")) is None
    assert redis_client.exists(record_of(session))
    assert deletes_cookie(browser.call(["get", "basket"]))
    assert redis_client.keys() == []


def test_what_another_request_wrote_meanwhile_keeps_an_obsolete_session(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_writes(key: str) -> None:
        other = SessionStore(key)
        other["other"] = 1
        other.save()

    monkeypatch.setattr(views, "happens", another_writes)
    browser.call(["update", {"name": "Ada"}])
    response = browser.call(["pop", "name"], ["happens"])
    assert not deletes_cookie(response)
    assert _data(browser) == {"other": 1}


def test_a_site_decides_what_is_obsolete(browser: Browser, settings, redis_client) -> None:
    settings.REDIS_SESSIONS = {"OBSOLETE": "tests.views.only_a_theme"}
    assert cookie_of(browser.call(["update", {"theme": "dark"}])) is None
    assert redis_client.keys() == []
    browser.call(["update", {"theme": "dark", "name": "Ada"}])
    assert _data(browser) == {"theme": "dark", "name": "Ada"}
    assert deletes_cookie(browser.call(["pop", "name"]))


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("how", ["create", "save"])
def test_an_empty_session_that_a_view_stores_itself_keeps_key_and_cookie(
    browser: Browser, redis_client: redis.Redis, how: str
) -> None:
    response = browser.call(["get", "name"], [how])
    assert response.json()["key"] == browser.key == cookie_of(response).value
    assert SessionStore().exists(browser.key)
    assert 0 < redis_client.ttl(record_of(SessionStore(browser.key))) <= 180


@pytest.mark.usefixtures("either")
def test_an_unknown_session_key_is_never_adopted(browser: Browser) -> None:
    browser.key = "0123456789" * 4
    browser.call(["update", {"name": "Ada"}])
    assert browser.key != "0123456789" * 4
    assert _data(browser) == {"name": "Ada"}


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("status", [500, 503])
def test_a_response_that_says_the_server_failed_saves_nothing(
    browser: Browser, redis_client: redis.Redis, status: int
) -> None:
    assert cookie_of(browser.call(["update", {"name": "lost"}], status=status)) is None
    assert redis_client.keys() == []
    browser.call(["update", {"name": "Ada"}])
    assert cookie_of(browser.call(["pop", "name"], status=status)) is None
    assert _data(browser) == {"name": "Ada"}


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("status", [302, 404])
def test_every_other_response_saves(browser: Browser, status: int) -> None:
    assert cookie_of(browser.call(["update", {"name": "Ada"}], status=status)) is not None
    assert _data(browser) == {"name": "Ada"}


def test_a_middleware_may_be_used_without_a_session(browser: Browser, settings) -> None:
    settings.MIDDLEWARE = [OURS, "tests.views.without_session"]
    assert browser.get("untouched").status_code == 200


@pytest.mark.usefixtures("either")
def test_what_a_streamed_response_stores_itself_is_kept() -> None:
    browser = Browser()
    assert b"".join(browser.get("streams").streaming_content) == b"first second"
    assert _data(browser) == {"before": 1, "within": 2}


@pytest.mark.usefixtures("either")
async def test_what_an_async_stream_stores_itself_is_kept() -> None:
    client = AsyncClient()
    response = await client.get("/asgi/streams")
    key = cookie_of(response).value
    assert await SessionStore(key).aget("before") == 1
    assert [part async for part in response.streaming_content] == [b"first ", b"second"]
    assert await SessionStore(key).aget("within") == 2


def test_another_session_engine_is_improperly_configured(settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    with pytest.raises(ImproperlyConfigured, match=r"signed_cookies.*redis_sessions\.session"):
        Browser().get("untouched")


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every call of sync_to_async and every use of a thread pool by a loop."""
    seen: list[Any] = []
    hop, run = SyncToAsync.__call__, asyncio.BaseEventLoop.run_in_executor

    async def spy(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(self.func)
        return await hop(self, *args, **kwargs)

    def spy_on_loop(self: Any, executor: Any, func: Any, *args: Any) -> Any:
        seen.append(func)
        return run(self, executor, func, *args)

    monkeypatch.setattr(SyncToAsync, "__call__", spy)
    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", spy_on_loop)
    return seen


async def _visit(authentication: Any, *, key: str = "", status: int = 200) -> HttpResponse:
    async def view(request: HttpRequest) -> HttpResponse:
        await request.session.aset("seen", [*(await request.session.aget("seen", [])), 1])
        assert (await request.auser()).is_anonymous
        return HttpResponse(status=status)

    factory = AsyncRequestFactory()
    factory.cookies["sessionid"] = key
    return await SessionMiddleware(authentication(view))(factory.get("/"))


async def test_under_asgi_neither_middleware_uses_a_thread(hops: list[Any], settings) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True}
    key = cookie_of(await _visit(AuthenticationMiddleware)).value
    await _visit(AuthenticationMiddleware, key=key)
    await _visit(AuthenticationMiddleware, key=key, status=500)
    await _visit(AuthenticationMiddleware, key="0" * 40)
    assert await SessionStore(key).aget("seen") == [1, 1]
    assert hops == []
    await _visit(DjangoAuthentication)
    assert hops != []  # the spies do see threads
