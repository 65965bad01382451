"""The shared connection: each task gets its own reply, or an error, and never another's."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import hiredis
import pytest
from redis import exceptions as errors

from redis_sessions import wires
from redis_sessions.wires import SharedConnection, Wire
from tests.proxy import Proxy
from tests.servers import Server

pytestmark = pytest.mark.filterwarnings("error")

FAILURES = (errors.ConnectionError, errors.TimeoutError)


def packed(*commands: tuple[Any, ...]) -> bytes:
    return b"".join(hiredis.pack_command(command) for command in commands)


async def ask(shared: SharedConnection, *commands: tuple[Any, ...]) -> list[Any]:
    return await shared.exchange(packed(*commands), len(commands))


@pytest.fixture
async def make(server: Server) -> AsyncIterator[Callable[..., SharedConnection]]:
    """Make connections that are closed at the end."""
    made: list[SharedConnection] = []

    def new(port: int = server.port, **options: Any) -> SharedConnection:
        given = {"port": port, "socket_timeout": 5, "socket_connect_timeout": 5, "protocol": 2}
        made.append(SharedConnection(**given | options))
        return made[-1]

    yield new
    for shared in made:
        await shared.aclose()


Make = Callable[..., SharedConnection]


async def connections_of(server: Server) -> int:
    with server.client() as client:
        return len([one for one in client.client_list() if one["name"] == "shared"])


async def test_replies_come_in_the_order_of_the_commands(make: Make) -> None:
    shared = make()
    assert await ask(shared, ("ECHO", "a"), ("ECHO", "b"), ("PING",)) == [b"a", b"b", b"PONG"]


async def test_an_error_is_the_reply_of_its_own_command_only(make: Make) -> None:
    shared = make()
    wrong = asyncio.ensure_future(ask(shared, ("ECHO", "a"), ("NO-SUCH",), ("ECHO", "b")))
    right = asyncio.ensure_future(ask(shared, ("ECHO", "c")))
    first, error, last = await wrong
    assert (first, last, await right) == (b"a", b"b", [b"c"])
    assert isinstance(error, errors.ResponseError)


async def test_tasks_share_one_connection_and_one_write(make: Make, server: Server) -> None:
    with Proxy(server.port) as proxy:
        shared = make(proxy.port, client_name="shared")
        await ask(shared, ("PING",))
        before = proxy.trips
        echoes = [ask(shared, ("ECHO", str(number))) for number in range(200)]
        assert await asyncio.gather(*echoes) == [[b"%d" % number] for number in range(200)]
        assert proxy.trips == before + 1
        assert await connections_of(server) == 1


async def test_tasks_that_find_no_connection_wait_for_the_same_one(
    make: Make, server: Server
) -> None:
    shared = make(client_name="shared")
    await asyncio.gather(*(ask(shared, ("PING",)) for _ in range(50)))
    assert await connections_of(server) == 1


async def test_a_huge_reply_and_a_huge_command_are_whole(make: Make) -> None:
    shared, text = make(), random.randbytes(20_000_000)
    huge = asyncio.ensure_future(ask(shared, ("ECHO", text)))
    small = asyncio.ensure_future(ask(shared, ("ECHO", "small")))
    assert (await huge)[0] == text
    assert await small == [b"small"]


async def test_the_reply_of_a_cancelled_task_is_nobodys(make: Make) -> None:
    shared = make()
    await ask(shared, ("PING",))
    tasks = [asyncio.ensure_future(ask(shared, ("ECHO", str(number)))) for number in range(100)]
    await asyncio.sleep(0)  # they are sent
    for task in tasks[::3]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    for number, reply in enumerate(done):
        assert (
            isinstance(reply, asyncio.CancelledError)
            if number % 3 == 0
            else reply == [b"%d" % number]
        )


async def test_a_task_that_is_cancelled_while_connecting_takes_nobody_along(make: Make) -> None:
    shared = make()
    first, second = (asyncio.ensure_future(ask(shared, ("PING",))) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == [b"PONG"]
    assert first.cancelled()


async def test_all_who_wait_get_the_error_of_a_lost_connection(make: Make, server: Server) -> None:
    with Proxy(server.port) as proxy:
        shared = make(proxy.port)
        await ask(shared, ("PING",))
        proxy.lose_replies = 1
        replies = [ask(shared, ("ECHO", str(number))) for number in range(20)]
        lost = await asyncio.gather(*replies, return_exceptions=True)
        assert all(isinstance(error, errors.ConnectionError) for error in lost)
        assert len({id(error) for error in lost}) == 20  # each its own, with a traceback of its own
        assert await ask(shared, ("ECHO", "again")) == [b"again"]


async def test_a_connection_that_died_while_idle_is_noticed_by_nobody(
    make: Make, server: Server
) -> None:
    shared = make()
    for _ in range(5):
        await ask(shared, ("PING",))
        with server.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.sleep(0.05)
        assert await ask(shared, ("PING",)) == [b"PONG"]


async def test_a_late_reply_is_a_timeout_to_all_and_never_anybodys_answer(
    make: Make, server: Server
) -> None:
    shared = make(socket_timeout=0.2)
    await ask(shared, ("PING",))
    with server.client() as client:
        client.execute_command("CLIENT", "PAUSE", "600", "ALL")
    replies = [ask(shared, ("ECHO", "late")) for _ in range(3)]
    late = await asyncio.gather(*replies, return_exceptions=True)
    assert all(isinstance(error, errors.TimeoutError) for error in late)
    with server.client() as client:
        client.execute_command("CLIENT", "UNPAUSE")
    assert await ask(shared, ("ECHO", "new")) == [b"new"]


async def test_a_loop_that_was_held_up_itself_takes_no_reply_for_late(make: Make) -> None:
    shared = make(socket_timeout=0.2)
    await ask(shared, ("PING",))
    for _ in range(5):
        reply = asyncio.ensure_future(ask(shared, ("ECHO", "in time")))
        await asyncio.sleep(0)  # it is sent
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - that is what is held up
        assert await reply == [b"in time"]


@pytest.fixture
async def held(make: Make, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["Held"]:
    """A call that waits, with a minute for its reply, by a clock that stands still."""
    held = Held()
    monkeypatch.setattr(wires, "monotonic", lambda: held.time)
    shared = make(socket_timeout=60)
    await ask(shared, ("PING",))
    held.wire = shared._wire
    held.reply = asyncio.ensure_future(shared.exchange(b"", 1))
    await asyncio.sleep(0)
    yield held
    held.reply.cancel()


class Held:
    """The test tells the time, and what comes from the server."""

    wire: Wire
    reply: asyncio.Future[list[Any]]
    time = 1000.0

    def is_late(self, after: float, data: bytes = b"") -> bool:
        """Tell whether the wire has given up some seconds after the call; then data comes."""
        self.time = 1000 + after
        if self.wire._calls:
            self.wire._look_at_the_clock(self.wire._calls[0])
        if data:
            self.wire.data_received(data)
        return self.wire.error is not None


async def test_a_reply_that_keeps_coming_is_not_late(held: "Held") -> None:
    assert not held.is_late(50, b"$6\r\nab")
    assert not held.is_late(105, b"cd")
    assert not held.is_late(119, b"ef\r\n")
    assert await held.reply == [b"abcdef"]


@pytest.mark.parametrize("came", [[], [50], [50, 100, 119]])
async def test_a_reply_that_stops_or_takes_twice_the_timeout_is_late(
    held: "Held", came: list[int]
) -> None:
    for moment in came:
        assert not held.is_late(moment, b"$100\r\n" if moment == came[0] else b"x")
    assert held.is_late({0: 61, 1: 111, 3: 121}[len(came)])
    with pytest.raises(errors.TimeoutError):
        await held.reply


async def test_a_server_that_is_not_there_is_an_error_to_each(make: Make) -> None:
    shared = make(port=1)
    replies = [ask(shared, ("PING",)) for _ in range(3)]
    found = await asyncio.gather(*replies, return_exceptions=True)
    assert all(isinstance(error, errors.ConnectionError) for error in found)


async def test_who_sends_to_a_server_that_does_not_read_waits_no_longer_than_the_timeout(
    make: Make,
) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):  # CLIENT SETINFO, twice
            await reader.readuntil(b"LIB-")
            writer.write(b"+OK\r\n")
        await over.wait()
        writer.transport.abort()
        closed.set()

    over, closed = asyncio.Event(), asyncio.Event()
    stalled = await asyncio.start_server(stall, "127.0.0.1", 0)
    port = stalled.sockets[0].getsockname()[1]
    shared = make(port, socket_timeout=0.5)
    tasks = [asyncio.ensure_future(ask(shared, ("ECHO", b"x" * 10_000_000))) for _ in range(30)]
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(error, FAILURES) for error in done)
    over.set()
    await closed.wait()
    stalled.close()


async def test_a_retired_connection_answers_who_waits_and_closes(
    make: Make, server: Server
) -> None:
    shared = make(client_name="shared")
    await ask(shared, ("PING",))
    waiting = asyncio.ensure_future(ask(shared, ("ECHO", "waited")))
    await asyncio.sleep(0)
    shared.retire()
    assert await ask(shared, ("ECHO", "new")) == [b"new"]
    assert await waiting == [b"waited"]
    async with asyncio.timeout(5):
        while await connections_of(server) != 1:  # noqa: ASYNC110 - the server's list
            await asyncio.sleep(0.01)


async def test_what_is_no_reply_at_all_is_an_error(make: Make) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK\r\n+OK\r\n")
        await asyncio.sleep(0.1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(babble, "127.0.0.1", 0)
    shared = make(other.sockets[0].getsockname()[1])
    with pytest.raises(errors.RedisError):
        await ask(shared, ("PING",))
    other.close()


async def test_closing_cancels_nobody_who_waits_for_a_connection(make: Make) -> None:
    shared = make()
    tasks = [asyncio.ensure_future(ask(shared, ("PING",))) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await shared.aclose()
    first, *others = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert [type(error) for error in others] == [errors.ConnectionError] * 2
    assert await ask(shared, ("ECHO", "new")) == [b"new"]


async def test_closing_closes_a_retired_connection_too(make: Make, server: Server) -> None:
    shared = make(client_name="shared", socket_timeout=60)
    await ask(shared, ("PING",))
    waiting = asyncio.ensure_future(ask(shared, ("BLPOP", "nothing", "0")))
    await asyncio.sleep(0)
    shared.retire()
    assert await ask(shared, ("ECHO", "new")) == [b"new"]
    await shared.aclose()
    async with asyncio.timeout(5):
        while await connections_of(server):  # noqa: ASYNC110 - the server's list
            await asyncio.sleep(0.01)
    with pytest.raises(errors.ConnectionError):
        await waiting


@pytest.mark.parametrize(("interval", "replaced"), [(0.02, True), (3600, False), (0, False)])
async def test_a_connection_that_was_idle_for_longer_than_the_interval_is_replaced(
    make: Make, server: Server, interval: float, *, replaced: bool
) -> None:
    shared = make(client_name="shared", health_check_interval=interval)
    before = await ask(shared, ("CLIENT", "ID"))
    await asyncio.sleep(0.03)
    after = await ask(shared, ("CLIENT", "ID"))
    assert (before != after) == replaced
    async with asyncio.timeout(5):
        while await connections_of(server) != 1:  # noqa: ASYNC110 - the server's list
            await asyncio.sleep(0.01)


async def test_what_the_server_pushes_is_nobodys_reply(make: Make, server: Server) -> None:
    shared = make(protocol=3)
    await ask(shared, ("CLIENT", "TRACKING", "ON", "BCAST"))
    for text in (b"a", b"b", b"c"):
        with server.client() as client:
            client.set("pushed", text)
        assert await ask(shared, ("ECHO", text)) == [text]


async def test_a_reply_that_nobody_asked_for_becomes_nobodys(make: Make) -> None:
    shared = make()
    assert await shared.exchange(packed(("ECHO", "a"), ("ECHO", "unasked")), 1) == [b"a"]
    async with asyncio.timeout(5):
        while shared._wire.error is None:  # noqa: ASYNC110 - the wire tells nobody
            await asyncio.sleep(0.01)
    for text in (b"b", b"c"):
        assert await ask(shared, ("ECHO", text)) == [text]


class Storm:
    """Tasks that ask at random moments, while replies are lost and tasks are cancelled."""

    def __init__(self, shared: SharedConnection, proxy: Proxy, seed: int) -> None:
        self.chance = random.Random(seed)
        self.shared = shared
        self.proxy = proxy
        self.tasks: list[asyncio.Task[str]] = []

    async def run(self) -> Counter[str]:
        """Return how many tasks ended how."""
        self.tasks = [asyncio.ensure_future(self._ask(number)) for number in range(300)]
        for _ in range(12):
            await asyncio.sleep(self.chance.random() / 15)
            self._fail()
        done = await asyncio.gather(*self.tasks, return_exceptions=True)
        self.proxy.lose_replies = 0
        return Counter(one if isinstance(one, str) else type(one).__name__ for one in done)

    async def _ask(self, number: int) -> str:
        await asyncio.sleep(self.chance.random() / 2)
        texts = [f"{number}.{part}." for part in range(self.chance.randint(1, 3))]
        texts[0] += "x" * self.chance.choice([0, 10, 70_000])
        try:
            replies = await ask(self.shared, *(("ECHO", text) for text in texts))
        except FAILURES:
            return "failed"
        return "answered" if replies == [text.encode() for text in texts] else "WRONG"

    def _fail(self) -> None:
        if self.chance.random() < 0.5:
            self.proxy.lose_replies += 1
            return
        for task in self.chance.sample(self.tasks, 15):
            task.cancel()


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_each_task_gets_its_own_reply_or_an_error(
    make: Make, server: Server, seed: int
) -> None:
    with Proxy(server.port) as proxy:
        shared = make(proxy.port)
        outcomes = await Storm(shared, proxy, seed).run()
        assert set(outcomes) <= {"answered", "failed", "CancelledError"}
        assert min(outcomes["answered"], outcomes["failed"], outcomes["CancelledError"]) > 0
        assert await ask(shared, ("ECHO", "still there")) == [b"still there"]
