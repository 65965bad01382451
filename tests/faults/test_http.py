"""HTTP: a page that reads, one that writes, a login, under each fault."""

import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from redis_sessions import breakers, connections
from tests.browser import AsyncBrowser, Browser, cookie_of
from tests.faults.proxy import FaultyProxy
from tests.faults.rows import ROWS, Row
from tests.faults.settings import hasty_caches, impatient

pytestmark = [pytest.mark.urls("tests.views"), pytest.mark.usefixtures("hurried")]

BOUND = 3  # seconds; a fifth of the usual timeouts is in force
NEW = {"name": "Grace"}


@pytest.fixture(params=[Browser, AsyncBrowser], ids=["wsgi", "asgi"])
def browser(request: pytest.FixtureRequest, proxy: FaultyProxy) -> Browser:
    """A browser with a session that holds a name."""
    visitor: Browser = request.param()
    visitor.call(["update", {"name": "Ada"}])
    return visitor


@pytest.fixture(params=ROWS, ids=str)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


@pytest.fixture
def hurried(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be noticed comes soon; for what is not, even a machine that is busy has time."""
    impatient(monkeypatch, 20 if row.write else 0.02)


def begin(row: Row, proxy: FaultyProxy, settings: Any) -> None:
    """Have the fault in force, and connections open where they can be."""
    if not (row.read and row.write):
        settings.CACHES = hasty_caches(proxy.url)
    if row.fault == "max clients":
        connections.close()  # who has one keeps it
    proxy.set(row.fault, row.times)


def end(proxy: FaultyProxy) -> None:
    proxy.clear()
    breakers.forget()  # how soon it closes has tests of its own


def is_served(response: Any, seconds: float) -> bool:
    """Tell whether a page is as usual; else it is a 503, in time, that leaves the cookie alone."""
    if response.status_code == 200:
        return True
    assert response.status_code == 503
    assert cookie_of(response) is None
    assert int(response.headers["Retry-After"]) > 0
    assert seconds < BOUND
    return False


def test_a_page_that_reads(row: Row, browser: Browser, proxy: FaultyProxy, settings: Any) -> None:
    key = browser.key
    begin(row, proxy, settings)
    started = time.monotonic()
    response = browser.call(["get", "name"])
    assert is_served(response, time.monotonic() - started) == row.read
    if row.read:
        assert response.json()["returned"] == ["Ada"]
    end(proxy)
    assert browser.returned(["get", "name"]) == ["Ada"]
    assert browser.key == key


def test_a_page_that_writes(row: Row, browser: Browser, proxy: FaultyProxy, settings: Any) -> None:
    key = browser.key
    begin(row, proxy, settings)
    started = time.monotonic()
    response = browser.call(["update", NEW])
    assert is_served(response, time.monotonic() - started) == row.write
    end(proxy)
    assert browser.returned(["get", "name"]) == ["Grace" if row.write else "Ada"]
    assert browser.key == key


@pytest.mark.django_db(transaction=True)
def test_a_login(row: Row, browser: Browser, proxy: FaultyProxy, settings: Any) -> None:
    User.objects.create_user("ada")
    key = browser.key
    begin(row, proxy, settings)
    started = time.monotonic()
    response = browser.get("login", user="ada")
    assert is_served(response, time.monotonic() - started) == row.write
    end(proxy)
    assert (browser.key != key) == row.write
    assert browser.get("whoami").content == (b"ada" if row.write else b"")
    assert browser.returned(["get", "name"]) == ["Ada"]
