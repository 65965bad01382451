"""Fixtures: a group that many tests share, and what sockets need."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_sessions import connections
from tests.sentinels import Group


@pytest.fixture(scope="package")
def _group(request: pytest.FixtureRequest) -> Iterator[Group]:
    group = Group(request.config.getoption("server"))
    try:
        yield group.start()
    finally:
        connections.close()
        group.stop()


@pytest.fixture
def group(_group: Group, settings: Any) -> Group:
    """A group that is in order, where the sessions are."""
    settings.CACHES = _group.caches()
    return _group


@pytest.fixture(autouse=True)
def _database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Consumers close old connections to it whenever they handle something."""
    with django_db_blocker.unblock():
        yield
