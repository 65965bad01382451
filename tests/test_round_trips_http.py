"""What a request costs: sequential round trips, counted on the wire, under WSGI and under ASGI."""

import asyncio
import json
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from redis_sessions.session import SessionStore
from tests.browser import OURS, STOCK
from tests.conftest import record_of
from tests.proxy import proxied
from tests.servers import Server
from tests.test_round_trips import MALFORMED, UNKNOWN, load_scripts

pytestmark = pytest.mark.urls("tests.views")

READ: list[Any] = ["get", "name"]
SET: list[Any] = ["update", {"name": "Ada"}]
POP: list[Any] = ["pop", "name"]

Get = Callable[..., Any]


@pytest.fixture(params=[OURS, STOCK], ids=["ours", "stock"], autouse=True)
def either(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.MIDDLEWARE = [request.param, *settings.MIDDLEWARE[1:]]
    return request.param


@pytest.fixture(params=["wsgi", "asgi"])
def get(request: pytest.FixtureRequest) -> Iterator[Get]:
    """Get a page with a session's key; under ASGI all in one loop, and so on one connection."""
    client: Any = Client() if request.param == "wsgi" else AsyncClient()

    def get(view: str, key: str, query: dict[str, Any]) -> Any:
        client.cookies = SimpleCookie({settings.SESSION_COOKIE_NAME: key} if key else {})
        return client.get(f"/{request.param}/{view}", query)

    if request.param == "wsgi":
        yield get
        return
    with asyncio.Runner() as runner:
        yield lambda *args: runner.run(get(*args))


@pytest.fixture
def trips(get: Get, server: Server, redis_client: redis.Redis, settings: Any) -> Iterator[Any]:
    """Visit a view with a session's key, and return the round trips that it took."""
    load_scripts(redis_client)
    with proxied(server, settings) as proxy:

        def visit(*calls: list[Any], key: str = "", view: str = "calls", **query: Any) -> int:
            before = proxy.trips
            response = get(view, key, {"calls": json.dumps(calls), "status": 200, **query})
            assert response.status_code == 200
            return proxy.trips - before

        visit(READ, key=UNKNOWN)  # opens a connection
        SessionStore().exists(UNKNOWN)  # Django's own middleware saves through the sync half
        yield visit


@pytest.fixture
def key() -> str:
    """The key of a session that holds a name."""
    session = SessionStore()
    session.update({"name": "Grace", "basket": ["tea"]})
    session.save()
    return session.session_key


def test_a_page_that_does_not_ask_for_the_session_costs_nothing(trips: Any, key: str) -> None:
    assert trips() == trips(key=key) == trips(key=UNKNOWN) == 0


def test_a_visitor_without_a_cookie_costs_nothing(trips: Any) -> None:
    assert trips(READ, ["keys"]) == 0


@pytest.mark.parametrize("malformed", [key for key in MALFORMED if key.isascii() and key.strip()])
def test_a_malformed_cookie_costs_nothing(trips: Any, malformed: str) -> None:
    assert trips(READ, key=malformed) == 0


def test_a_page_that_reads_costs_one(trips: Any, key: str) -> None:
    assert trips(READ, ["get", "basket"], key=key) == 1
    assert trips(READ, key=UNKNOWN) == 1


def test_a_page_that_changes_the_session_costs_two(trips: Any, key: str) -> None:
    assert trips(SET, key=key) == 2
    assert trips(SET, ["update", {"basket": []}], POP, key=key) == 2


def test_a_page_that_begins_a_session_costs_one(trips: Any) -> None:
    assert trips(SET) == 1


def test_a_page_that_empties_the_session_costs_two(trips: Any, key: str) -> None:
    assert trips(POP, ["pop", "basket"], key=key) == 2


def test_a_page_that_ends_the_session_costs_one_after_the_read(trips: Any, key: str) -> None:
    assert trips(["flush"], key=key) == 1
    assert trips(READ, key=key) == 1


def test_a_superseded_session_costs_one(trips: Any, key: str) -> None:
    SessionStore(key).cycle_key()
    assert trips(READ, key=key) == 1


def test_a_due_touch_rides_on_the_read(
    trips: Any, key: str, redis_client: redis.Redis, settings: Any
) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": True}
    record = record_of(SessionStore(key))
    expiry = int(redis_client.hget(record, b"\0x")) - 3600
    redis_client.hset(record, b"\0x", expiry)
    assert trips(READ, key=key) == 1
    assert int(redis_client.hget(record, b"\0x")) > expiry


@pytest.mark.django_db(transaction=True)
def test_a_login_costs_two_after_the_read(trips: Any, key: str) -> None:
    User.objects.create_user("ada")
    assert trips(key=key, view="login", user="ada") == 1 + 2
    assert trips(key=UNKNOWN, view="login", user="ada") == 1 + 2
    assert trips(view="login", user="ada") == 2


@pytest.mark.django_db(transaction=True)
def test_who_is_logged_in_costs_one(trips: Any) -> None:
    user = User.objects.create_user("ada")
    client = Client()
    client.force_login(user)
    session_key = client.cookies["sessionid"].value
    assert trips(view="whoami", key=session_key) == 1
    assert trips(view="logout", key=session_key) == 2
