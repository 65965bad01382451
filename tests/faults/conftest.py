"""Fixtures: a proxy before the server, at CACHES["sessions"]."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_sessions import connections
from tests.caches import caches
from tests.faults.proxy import FaultyProxy
from tests.servers import Server


@pytest.fixture
def proxy(server: Server, settings: Any) -> Iterator[FaultyProxy]:
    """Where no timeout is to be met: patient."""
    with FaultyProxy(server.port) as running:
        settings.CACHES = caches(running.url, SOCKET_TIMEOUT=20, SOCKET_CONNECT_TIMEOUT=20)
        yield running
        connections.close()
