"""Fixtures: a cluster for the whole run, at CACHES["sessions"], and empty for each test."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis.cluster import RedisCluster

from redis_sessions import connections
from tests.caches import caches
from tests.clusters import Cluster


@pytest.fixture(scope="session")
def running_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    running = Cluster(request.config.getoption("server"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def cluster(running_cluster: Cluster, settings: Any) -> Iterator[Cluster]:
    """The cluster, with no keys and all nodes up."""
    running_cluster.flush()
    timeouts = {"SOCKET_TIMEOUT": 5, "SOCKET_CONNECT_TIMEOUT": 5}
    settings.CACHES = caches(running_cluster.urls[:2], CLUSTER=True, **timeouts)
    yield running_cluster
    connections.close()
    running_cluster.heal()


@pytest.fixture(scope="session")
def _client(running_cluster: Cluster) -> Iterator[RedisCluster]:
    with running_cluster.client() as client:
        yield client


@pytest.fixture(autouse=True)
def redis_client(cluster: Cluster, _client: RedisCluster) -> RedisCluster:
    """redis-py's own client, to look at what the package has stored."""
    return _client
