"""The proxy does what its faults say; nothing here is about sessions."""

import asyncio
import socket
import time
from collections.abc import Iterator

import hiredis
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.faults.kinds import FAULTS
from tests.faults.proxy import FaultyProxy, RemoteProxy
from tests.servers import Server

RESETS = [name for name in FAULTS if name.startswith("reset")]
ANSWERS = {name: fault for name, fault in FAULTS.items() if fault.kind == "answer"}


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultyProxy]:
    with FaultyProxy(server.port) as running:
        yield running


@pytest.fixture
def client(proxy: FaultyProxy) -> Iterator[redis.Redis]:
    never = Retry(NoBackoff(), 0)
    with redis.Redis(port=proxy.port, protocol=2, socket_timeout=10, retry=never) as plain:
        plain.set("key", "value")
        yield plain


def test_without_a_fault_everything_passes(client: redis.Redis) -> None:
    assert client.get("key") == b"value"


@pytest.mark.parametrize("name", RESETS)
def test_a_reset_lets_through_what_its_name_says(
    proxy: FaultyProxy, client: redis.Redis, redis_client: redis.Redis, name: str
) -> None:
    proxy.set(name, times=1)
    if name == "reset after":
        assert client.incr("count") == 1
    else:
        with pytest.raises(redis.ConnectionError):
            client.incr("count")
    assert redis_client.get("count") == b"1"
    assert client.incr("count") == 2


def test_a_black_hole_answers_nothing_and_loses_what_it_swallowed(
    proxy: FaultyProxy, redis_client: redis.Redis
) -> None:
    with redis.Redis(port=proxy.port, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)) as client:
        client.ping()
        proxy.set("black hole")
        for _ in range(2):
            with pytest.raises(redis.TimeoutError):
                client.incr("count")
        proxy.clear()
        assert client.incr("count") == 1


def test_a_delay_holds_up_no_other_connection(proxy: FaultyProxy, client: redis.Redis) -> None:
    with redis.Redis(port=proxy.port, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)) as hasty:
        hasty.ping()
        proxy.set("latency 2 s", times=1)
        with pytest.raises(redis.TimeoutError):
            hasty.get("key")
        assert client.get("key") == b"value"


@pytest.mark.parametrize("name", ["latency 50 ms", "byte by byte"])
def test_a_slow_way_changes_nothing_of_a_reply(
    proxy: FaultyProxy, client: redis.Redis, name: str
) -> None:
    client.set("key", "0123456789" * 20)
    proxy.set(name)
    assert client.get("key") == b"0123456789" * 20
    assert proxy.met


def test_who_is_refused_is_let_in_when_that_is_over(
    proxy: FaultyProxy, client: redis.Redis
) -> None:
    proxy.set("refused")
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            client.get("key")
    proxy.clear()
    assert client.get("key") == b"value"


def test_a_full_server_serves_who_is_there_already(proxy: FaultyProxy, client: redis.Redis) -> None:
    proxy.set("max clients")
    assert client.get("key") == b"value"
    with (
        redis.Redis(port=proxy.port, protocol=2, retry=Retry(NoBackoff(), 0)) as late,
        pytest.raises(redis.ConnectionError),
    ):
        late.get("key")


@pytest.mark.parametrize("name", ANSWERS)
def test_an_error_is_answered_to_each_command_that_it_concerns(
    proxy: FaultyProxy, client: redis.Redis, redis_client: redis.Redis, name: str
) -> None:
    proxy.set(name)
    with pytest.raises(redis.RedisError) as caught:
        client.evalsha("0" * 40, 1, "key")
    assert ANSWERS[name].reply.decode().split(" ", 1)[1].strip() in str(caught.value)
    assert proxy.met == 1
    proxy.clear()
    assert client.get("key") == b"value"


@pytest.mark.parametrize("name", ["READONLY", "OOM", "NOSCRIPT"])
def test_a_server_that_refuses_writes_answers_reads(
    proxy: FaultyProxy, client: redis.Redis, name: str
) -> None:
    proxy.set(name)
    assert client.get("key") == b"value"


def test_a_fault_can_end_by_itself(proxy: FaultyProxy, client: redis.Redis) -> None:
    proxy.set("LOADING", times=2)
    for _ in range(2):
        with pytest.raises(redis.exceptions.BusyLoadingError):
            client.get("key")
    assert client.get("key") == b"value"


def test_a_proxy_in_a_process_of_its_own_does_the_same(server: Server) -> None:
    with (
        RemoteProxy(server.port) as proxy,
        redis.Redis(port=proxy.port, protocol=2, retry=Retry(NoBackoff(), 0)) as client,
    ):
        client.set("key", "value")
        proxy.set("LOADING", times=1)
        with pytest.raises(redis.exceptions.BusyLoadingError):
            client.get("key")
        proxy.set("READONLY")
        with pytest.raises(redis.exceptions.ReadOnlyError):
            client.set("key", "other")
        proxy.clear()
        assert client.get("key") == b"value"


async def test_an_answer_of_the_proxy_waits_for_those_of_the_server(
    proxy: FaultyProxy, redis_client: redis.Redis
) -> None:
    redis_client.client_pause(300)
    proxy.set("READONLY")
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(hiredis.pack_command(("GET", "none")))
    await asyncio.sleep(0.05)
    writer.write(hiredis.pack_command(("SET", "key", "1")))
    assert (await reader.readline()) == b"$-1\r\n"
    assert (await reader.readline()).startswith(b"-READONLY")
    writer.close()


def test_what_was_held_back_goes_before_what_comes_later(proxy: FaultyProxy) -> None:
    def send() -> None:
        [link] = proxy.links()
        proxy.send_back(link, b"1", 0.01)
        time.sleep(0.05)
        proxy.send_back(link, b"2")

    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as plain:
        while not proxy.links():
            time.sleep(0.01)
        proxy.do(send)
        assert plain.recv(1) + plain.recv(1) == b"12"
