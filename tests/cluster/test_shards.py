"""Listening to the channels of a cluster: which master, and what happens when that changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.shards import ShardedListener
from redis_sessions.slots import slot_of
from tests.caches import caches
from tests.clusters import Cluster
from tests.servers import free_port

CHANNELS = [f"session:{{{number:014}}}" for number in range(12)]


class Heard(ShardedListener):
    """Keeps what it hears; an empty message means that something may have been missed."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        super().__init__("sessions", lambda *told: self.messages.append(told))


@pytest.fixture
async def listener(cluster: Cluster) -> AsyncIterator[Heard]:
    opened = Heard()
    yield opened
    await opened.stop()


async def wait_until(condition: Any, within: float = 15) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - another process may change it
            await asyncio.sleep(0.01)


def publish(cluster: Cluster, channel: str, payload: str) -> None:
    cluster.ask(cluster.owner_of(channel), "SPUBLISH", channel, payload)


def subscribers(cluster: Cluster) -> dict[int, int]:
    """Return how many connections listen, by the port of the master, where any do."""
    told = {node: cluster.ask(node, "CLIENT", "LIST", "TYPE", "PUBSUB") for node in cluster.masters}
    return {node.port: len(lines.splitlines()) for node, lines in told.items() if lines}


async def test_each_channel_is_heard_over_one_connection_to_its_master(
    listener: Heard, cluster: Cluster
) -> None:
    await asyncio.gather(*map(listener.subscribe, CHANNELS))
    for channel in CHANNELS:
        publish(cluster, channel, f"of {channel}")
    expected = [(channel, f"of {channel}".encode()) for channel in CHANNELS]
    await wait_until(lambda: len(listener.messages) == len(CHANNELS))
    assert sorted(listener.messages) == sorted(expected)
    assert listener.listens
    assert subscribers(cluster) == {node.port: 1 for node in cluster.masters}


async def test_masters_without_channels_are_not_listened_to(
    listener: Heard, cluster: Cluster
) -> None:
    await listener.subscribe(CHANNELS[0])
    assert subscribers(cluster) == {cluster.owner_of(CHANNELS[0]).port: 1}
    old = cluster.owner_of(CHANNELS[0])
    told = cluster.ask(old, "CLIENT", "LIST", "TYPE", "PUBSUB")
    name = told.split()[0]  # id=...
    new = cluster.move(slot_of(CHANNELS[0]))
    await wait_until(lambda: subscribers(cluster) == {new.port: 1})
    await wait_until(lambda: name not in cluster.ask(old, "CLIENT", "LIST").split())


async def test_a_master_that_is_joined_while_another_is_left_goes_on_being_listened_to(
    listener: Heard, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {cluster.owner_of(channel).port: channel for channel in CHANNELS}
    await asyncio.gather(*map(listener.subscribe, left.values()))
    first, second, _ = listener._shards.values()
    joined, stop, stopping = left[second.address.port], first.stop, asyncio.Event()

    async def meanwhile() -> None:
        listener.add(joined)
        stopping.set()
        await stop()

    monkeypatch.setattr(first, "stop", meanwhile)
    for channel in left.values():
        listener.unsubscribe(channel)
    listener._stray(None)
    await asyncio.wait_for(stopping.wait(), 15)
    await listener.subscribe(joined)
    await wait_until(lambda: len(listener._shards) == 1)
    publish(cluster, joined, "heard")
    await wait_until(lambda: listener.messages)
    assert listener.messages == [(joined, b"heard")]


async def test_a_channel_that_was_left_is_not_heard(listener: Heard, cluster: Cluster) -> None:
    left, kept = "session:{a}:left", "session:{a}"
    await asyncio.gather(listener.subscribe(left), listener.subscribe(kept))
    listener.unsubscribe(left)
    node = cluster.owner_of(kept)
    await wait_until(lambda: cluster.ask(node, "PUBSUB", "SHARDCHANNELS") == [kept.encode()])
    publish(cluster, left, "lost")
    publish(cluster, kept, "heard")
    await wait_until(lambda: listener.messages)
    assert listener.messages == [(kept, b"heard")]


async def test_a_channel_whose_slot_moves_is_told_of_and_heard_from_the_new_master(
    listener: Heard, cluster: Cluster
) -> None:
    moving, staying = CHANNELS[0], CHANNELS[1]
    await asyncio.gather(listener.subscribe(moving), listener.subscribe(staying))
    for _ in range(3):
        listener.messages.clear()
        cluster.move(slot_of(moving))
        await wait_until(lambda: listener.messages)
        assert listener.messages == [(moving, b"")]
        publish(cluster, moving, "heard")
        await wait_until(lambda: len(listener.messages) == 2)
        assert listener.messages[1] == (moving, b"heard")


async def test_a_map_that_is_out_of_date_is_learnt_anew_by_who_subscribes(
    listener: Heard, cluster: Cluster
) -> None:
    old = cluster.owner_of(CHANNELS[0])
    other = next(one for one in CHANNELS[1:] if cluster.owner_of(one) is old)
    await listener.subscribe(other)
    cluster.move(slot_of(CHANNELS[0]))
    await listener.subscribe(CHANNELS[0])
    publish(cluster, CHANNELS[0], "heard")
    await wait_until(lambda: (CHANNELS[0], b"heard") in listener.messages)
    assert (other, b"") not in listener.messages, "the connection to the old master was lost"


async def test_a_connection_that_is_lost_is_opened_again_and_its_channels_are_told_of(
    listener: Heard, cluster: Cluster
) -> None:
    await asyncio.gather(*map(listener.subscribe, CHANNELS))
    victim = cluster.owner_of(CHANNELS[0])
    affected = {one for one in CHANNELS if cluster.owner_of(one) is victim}
    assert cluster.ask(victim, "CLIENT", "KILL", "TYPE", "PUBSUB") == 1
    await wait_until(lambda: {channel for channel, _ in listener.messages} == affected)
    publish(cluster, CHANNELS[0], "heard")
    await wait_until(lambda: (CHANNELS[0], b"heard") in listener.messages)
    assert listener.listens


async def test_a_cluster_that_is_away_is_told(cluster: Cluster, settings: Any) -> None:
    settings.CACHES = caches(f"redis://127.0.0.1:{free_port()}", CLUSTER=True)
    listener = Heard()
    try:
        with pytest.raises(SessionStoreUnavailable, match="did not confirm"):
            await listener.subscribe(CHANNELS[0])
        assert not listener.listens
        settings.CACHES = caches(cluster.urls, CLUSTER=True)
        await wait_until(lambda: listener.listens)
        publish(cluster, CHANNELS[0], "heard")
        await wait_until(lambda: (CHANNELS[0], b"heard") in listener.messages)
    finally:
        await listener.stop()


async def test_nothing_is_left_open_by_a_listener_that_stopped(
    listener: Heard, cluster: Cluster
) -> None:
    await asyncio.gather(*map(listener.subscribe, CHANNELS))
    assert len(subscribers(cluster)) == 3
    await listener.stop()
    await wait_until(lambda: subscribers(cluster) == {})
