"""``@serialized_by_session``: views and handlers, one call after the other."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
import redis
from asgiref.sync import SyncToAsync
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View

from redis_sessions.decorators import serialized_by_session
from redis_sessions.middleware import SessionMiddleware
from redis_sessions.session import SessionStore
from tests.caches import patient_caches
from tests.locked import lock_of

PATIENT: dict[str, Any] = {"blocking_timeout": 60}
NUMBER = 12  # requests at the same moment


@serialized_by_session(**PATIENT)
def add(request: HttpRequest) -> HttpResponse:
    request.session["n"] += 1
    return HttpResponse()


@serialized_by_session(**PATIENT)
async def aadd(request: HttpRequest) -> HttpResponse:
    n = await request.session.aget("n")
    await asyncio.sleep(0.001)
    await request.session.aset("n", n + 1)
    return HttpResponse()


class OnMethod(View):
    @serialized_by_session(**PATIENT)
    def get(self, request: HttpRequest) -> HttpResponse:
        return _undecorated(request)


class AsyncOnMethod(View):
    @serialized_by_session(**PATIENT)
    async def get(self, request: HttpRequest) -> HttpResponse:
        return await _aundecorated(request)


def _undecorated(request: HttpRequest) -> HttpResponse:
    request.session["n"] += 1
    return HttpResponse()


async def _aundecorated(request: HttpRequest) -> HttpResponse:
    n = await request.session.aget("n")
    await asyncio.sleep(0.001)
    await request.session.aset("n", n + 1)
    return HttpResponse()


@method_decorator(serialized_by_session(**PATIENT), name="dispatch")
class OnDispatch(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return _undecorated(request)


@method_decorator(serialized_by_session(**PATIENT), name="dispatch")
class AsyncOnDispatch(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return await _aundecorated(request)


class Plain(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return _undecorated(request)


class AsyncPlain(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return await _aundecorated(request)


@serialized_by_session(blocking_timeout=0.05)
def impatient(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@serialized_by_session(blocking_timeout=0.05)
async def aimpatient(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@serialized_by_session
def loses(request: HttpRequest) -> HttpResponse:
    """Change the session after something took the lock away."""
    _take_away(request.session)
    request.session["n"] = 1000
    return HttpResponse()


@serialized_by_session
async def aloses(request: HttpRequest) -> HttpResponse:
    """See loses()."""
    _take_away(request.session)
    await request.session.aset("n", 1000)
    return HttpResponse()


@serialized_by_session
def fails(request: HttpRequest) -> HttpResponse:
    request.session["n"] = 1000
    raise ZeroDivisionError


def _take_away(session: Any) -> None:
    with redis.Redis.from_url(django_settings.CACHES["sessions"]["LOCATION"]) as client:
        assert client.delete(lock_of(session)) == 1


VIEWS = {
    "add": add,
    "aadd": aadd,
    "on_method": OnMethod.as_view(),
    "async_on_method": AsyncOnMethod.as_view(),
    "on_dispatch": OnDispatch.as_view(),
    "async_on_dispatch": AsyncOnDispatch.as_view(),
    "around": serialized_by_session(**PATIENT)(Plain.as_view()),
    "around_async": serialized_by_session(**PATIENT)(AsyncPlain.as_view()),
    "impatient": impatient,
    "aimpatient": aimpatient,
    "loses": loses,
    "aloses": aloses,
    "fails": fails,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    urls = ModuleType("urls")
    urls.urlpatterns = [path(name, view) for name, view in VIEWS.items()]  # type: ignore[attr-defined]
    settings.ROOT_URLCONF = urls
    settings.CACHES = patient_caches()


@pytest.fixture
def session() -> SessionStore:
    made = SessionStore()
    made["n"] = 0
    made.save()
    return made


def _counted(session: SessionStore) -> int:
    return SessionStore(session.session_key)["n"]


def _known(client: Any, session: SessionStore) -> Any:
    client.cookies[django_settings.SESSION_COOKIE_NAME] = session.session_key
    return client


COUNTING = [
    "add", "aadd", "on_method", "async_on_method", "on_dispatch", "async_on_dispatch",
    "around", "around_async",
]  # fmt: skip


@pytest.mark.parametrize("name", COUNTING)
def test_under_wsgi_no_increment_is_lost(session: SessionStore, name: str) -> None:
    def visit(_: int) -> int:
        return _known(Client(), session).get(f"/{name}").status_code

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(visit, range(NUMBER))) == {200}
    assert _counted(session) == NUMBER


@pytest.mark.parametrize("name", COUNTING)
def test_under_asgi_no_increment_is_lost(session: SessionStore, name: str) -> None:
    async def visit() -> int:
        return (await _known(AsyncClient(), session).get(f"/{name}")).status_code

    async def everybody() -> list[int]:
        return await asyncio.gather(*(visit() for _ in range(NUMBER)))

    assert set(asyncio.run(everybody())) == {200}
    assert _counted(session) == NUMBER


@pytest.fixture(params=["wsgi", "asgi"])
def get(request: pytest.FixtureRequest, session: SessionStore) -> Iterator[Callable[[str], Any]]:
    if request.param == "wsgi":
        yield lambda name: _known(Client(raise_request_exception=False), session).get(f"/{name}")
        return
    with asyncio.Runner() as runner:
        client = _known(AsyncClient(raise_request_exception=False), session)
        yield lambda name: runner.run(client.get(f"/{name}"))


@pytest.mark.parametrize("name", ["impatient", "aimpatient"])
def test_a_view_that_waits_for_too_long_answers_409(
    get: Any, session: SessionStore, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with session.lock(what="the test"):
        response = get(name)
    assert response.status_code == 409
    assert response.headers["Retry-After"] == "1"
    assert "no-store" in response.headers["Cache-Control"]
    assert b"process" not in response.content
    assert f"Session {session.id} is locked by process" in caplog.text
    assert "the test" in caplog.text
    assert get(name).status_code == 200


@pytest.mark.parametrize("name", ["loses", "aloses"])
def test_a_view_that_lost_the_lock_answers_409_and_stores_nothing(
    get: Any, session: SessionStore, name: str
) -> None:
    response = get(name)
    assert response.status_code == 409
    assert _counted(session) == 0


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_view_that_fails_stores_nothing_and_leaves_no_lock(
    get: Any, session: SessionStore, redis_client: redis.Redis
) -> None:
    assert get("fails").status_code == 500
    assert _counted(session) == 0
    assert not redis_client.exists(lock_of(session))


def test_a_visitor_without_a_session_needs_no_lock(redis_client: redis.Redis) -> None:
    assert Client().get("/impatient").status_code == 200
    assert redis_client.keys() == []


def test_the_name_of_the_view_tells_what_a_lock_is_held_for(redis_client: redis.Redis) -> None:
    seen = []

    @serialized_by_session
    def buy(request: HttpRequest) -> None:
        seen.append(redis_client.get(lock_of(request.session)))

    made = SessionStore()
    made["n"] = 0
    made.save()
    request = HttpRequest()
    request.session = made
    buy(request)
    assert seen[0].decode().endswith(f" {__name__}.{buy.__qualname__}")
    assert buy.__name__ == "buy"


def test_what_has_no_session_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a request or a consumer"):
        serialized_by_session(lambda _: None)("neither")


async def test_under_asgi_a_lock_uses_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    hop, run = SyncToAsync.__call__, asyncio.BaseEventLoop.run_in_executor

    async def spy(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(self.func)
        return await hop(self, *args, **kwargs)

    def spy_on_loop(self: Any, executor: Any, func: Any, *args: Any) -> Any:
        seen.append(func)
        return run(self, executor, func, *args)

    made = SessionStore()
    await made.aset("n", 0)
    await made.asave()
    factory = AsyncRequestFactory()
    factory.cookies[django_settings.SESSION_COOKIE_NAME] = made.session_key
    monkeypatch.setattr(SyncToAsync, "__call__", spy)
    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", spy_on_loop)
    requests = [SessionMiddleware(aadd)(factory.get("/")) for _ in range(4)]
    assert {response.status_code for response in await asyncio.gather(*requests)} == {200}
    assert await SessionStore(made.session_key).aget("n") == 4
    assert seen == []
    await asyncio.get_running_loop().run_in_executor(None, json.dumps, 1)
    assert seen != []  # the spies do see threads
