"""Fixtures: the visitors' site, and a look at what every test leaves behind."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis
from django.contrib.auth import get_user_model

from redis_sessions import breakers
from redis_sessions.live import hub, saver
from tests.caches import caches
from tests.faults.settings import impatient
from tests.live.endings import ENDS
from tests.live.outages import Fickle
from tests.live.visitors import Visitor


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.live.pages"


@pytest.fixture(autouse=True)
def _database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Consumers close old connections to it whenever they handle something."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(autouse=True)
def _no_error_unseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """asyncio logs what nobody caught: errors of tasks and callbacks, tasks that were dropped."""
    yield
    gc.collect(1)
    records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    unseen = [record for record in records if record.name == "asyncio"]
    assert [record.getMessage() for record in unseen if record.levelno >= logging.ERROR] == []


@pytest.fixture(autouse=True)
async def _no_task_left(_no_error_unseen: None) -> AsyncIterator[None]:
    yield
    for _ in range(3):  # what was cancelled ends with the next turns of the loop
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert left == set()


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


@pytest.fixture
async def known(visitor: Visitor) -> Visitor:
    """A visitor who has a session: {"name": "Ada", "list": [1]}."""
    await visitor.change(name="Ada", list=[1])
    return visitor


@pytest.fixture
def writes(redis_client: redis.Redis) -> Callable[[Visitor], int]:
    """Tell how often the session of a visitor was written."""
    return lambda visitor: int(redis_client.hget(visitor.record, "\0v"))


@pytest.fixture
def fickle(request: pytest.FixtureRequest, settings: Any, monkeypatch: Any) -> Iterator[Fickle]:
    """A server of this test's own. Sockets try it again at once."""
    running = Fickle(request.config.getoption("server"))
    running.start()
    settings.CACHES = caches(running.url)
    monkeypatch.setattr(breakers, "PAUSE", 0.02)
    monkeypatch.setattr(saver, "_PAUSE", 0.02)
    monkeypatch.setattr(saver, "_LAST", 0.1)
    impatient(monkeypatch)
    monkeypatch.setattr(hub, "_PAUSE", 0.02)
    yield running
    running.stop()


@pytest.fixture
def ada(transactional_db: None) -> Any:
    """A user."""
    return get_user_model().objects.create_user("ada", password="secret")


@pytest.fixture(params=ENDS)
def elsewhere(request: pytest.FixtureRequest) -> str:
    """The page that takes the session away."""
    return request.param
