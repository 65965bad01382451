"""Sessions on a cluster, through both halves: what is special there. The rest is the same."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from redis.cluster import RedisCluster

from redis_sessions import executors, users
from redis_sessions.commands import server
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.clusters import Cluster
from tests.conftest import Do, record_of
from tests.people import index_of, listed, log_in, person

Stored = Callable[..., SessionStore]


def values_of(do: Do, key: str | None) -> dict[str, Any]:
    return dict(do(SessionStore(key).items))


def test_sessions_are_spread_over_all_masters(do: Do, stored: Stored, cluster: Cluster) -> None:
    sessions = [stored(number=number) for number in range(40)]
    owners = {cluster.owner_of(record_of(one)) for one in sessions}
    assert owners == set(cluster.masters)
    found = [values_of(do, one.session_key) for one in sessions]
    assert found == [{"number": number} for number in range(40)]


def test_an_index_and_its_records_are_on_different_masters(
    do: Do, cluster: Cluster, redis_client: RedisCluster
) -> None:
    sessions = [log_in(do) for _ in range(20)]
    owners = {cluster.owner_of(record_of(one)) for one in sessions}
    assert owners == set(cluster.masters)
    assert listed(redis_client) == {one.id for one in sessions}
    assert {one.id for one in users.sessions_of(person())} == {one.id for one in sessions}
    assert len(users.end_sessions(person(), keep=sessions[0])) == 19
    assert listed(redis_client) == {sessions[0].id}


def test_a_scan_visits_every_master_and_names_everything_once(do: Do) -> None:
    sessions = {log_in(do, person(pk)).id for pk in range(60)}
    cursor, ids, people = None, [], []
    while cursor != 0:
        [(cursor, keys)] = executors.run("sessions", server.scan(cursor or 0, "session:*", 5))
        ids += [key[9:-1] for key in keys if not key.startswith("session:user:")]
        people += [key for key in keys if key.startswith("session:user:")]
    assert sorted(ids) == sorted(sessions)
    assert sorted(people) == sorted(index_of(pk) for pk in range(60))
    call_command("clearsessions")


def test_all_masters_are_asked_whether_they_may_evict(do: Do, cluster: Cluster) -> None:
    assert executors.run("sessions", server.eviction_policy()) == ["noeviction"]
    for node in cluster.masters:
        cluster.ask(node, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        try:
            assert executors.run("sessions", server.eviction_policy()) == ["allkeys-lru"]
        finally:
            cluster.ask(node, "CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_a_loop_has_one_connection_to_each_master(cluster: Cluster) -> None:
    before = {node: _clients(cluster, node) for node in cluster.masters}

    async def main() -> dict[Any, int]:
        await asyncio.gather(*(SessionStore().asave() for _ in range(60)))
        return {node: _clients(cluster, node) - before[node] for node in cluster.masters}

    assert asyncio.run(main()) == dict.fromkeys(cluster.masters, 1)


def _clients(cluster: Cluster, node: Any) -> int:
    told = cluster.ask(node, "CLIENT", "LIST", "TYPE", "NORMAL").decode()
    return sum("cmd=client" not in line for line in told.splitlines())


def test_a_script_that_one_node_forgot_is_sent_to_it_again(
    do: Do, stored: Stored, cluster: Cluster
) -> None:
    session = stored(a=1)
    for number, node in enumerate(cluster.masters):
        cluster.ask(node, "SCRIPT", "FLUSH")
        do(session.update, {"a": number})
        do(session.save)
        assert values_of(do, session.session_key) == {"a": number}


@pytest.mark.parametrize("form", [list, ",".join])
def test_one_node_that_is_up_is_enough_to_begin(
    do: Do, stored: Stored, cluster: Cluster, settings: Any, form: Any
) -> None:
    dead = "redis://127.0.0.1:1"
    settings.CACHES = caches(form([dead, cluster.urls[4]]), CLUSTER=True)
    assert values_of(do, stored(a=1).session_key) == {"a": 1}
