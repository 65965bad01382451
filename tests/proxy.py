"""A TCP proxy before the server: it counts round trips, and loses replies when told to."""

import heapq
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from time import monotonic
from types import TracebackType
from typing import Any

from redis_sessions import connections
from tests.caches import caches
from tests.servers import Server


@contextmanager
def proxied(server: Server, settings: Any) -> Iterator["Proxy"]:
    """Put a proxy before the server, at CACHES["sessions"]."""
    with Proxy(server.port) as proxy:
        settings.CACHES = caches(proxy.url)
        yield proxy
        connections.close()


class Link:
    """A client's connection and the one that carries it on to the server."""

    def __init__(self, client: socket.socket, target: tuple[str, int]) -> None:
        self.client = client
        self.server = socket.create_connection(target)
        self.waiting = False  # the client has sent, and has not received yet
        self.due = 0.0  # until when what comes back waits
        self.swallowed = False  # something was lost on the way to the server
        self.partial = b""  # the begin of a command whose end is still to come
        self.is_open = True

    def close(self) -> None:
        self.is_open = False
        self.client.close()
        self.server.close()


class Proxy:
    """Carries what is sent to 127.0.0.1:``port`` to ``target``, another port there.

    ``trips`` counts the round trips: how often a client sent something after it had received what
    it waited for. What is sent together, before an answer, is one. ``sent`` counts the bytes that
    went to the server. With ``lose_replies`` at n, the next n replies are dropped and their
    connections closed: the server has done what the client cannot know. With ``lose_requests``
    true, that happens to what is sent. Replies are held back for ``delay`` seconds.
    """

    def __init__(self, target: int) -> None:
        self.target = ("127.0.0.1", target)
        self.trips = 0
        self.sent = 0
        self.lose_replies = 0
        self.lose_requests = False
        self.delay = 0.0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._orders: deque[tuple[Callable[[], object], threading.Event]] = deque()
        self._held: list[tuple[float, int, Link, bytes]] = []  # a heap of what is to be sent later
        self._numbers = count()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> "Proxy":
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._wake.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Link):
                key.data.close()
        self._selector.close()
        self._listening.close()
        self._woken.close()

    def do(self, order: Callable[[], object]) -> None:
        """Have the proxy's thread do something; returns when that is done."""
        done = threading.Event()
        self._orders.append((order, done))
        self._wake.send(b"\0")
        if not done.wait(30):
            raise RuntimeError("The proxy has ended.")

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._woken:
                    if not self._woken.recv(64):
                        return
                    self._obey()
                elif key.fileobj is self._listening:
                    self._accept()
                elif self._selector.get_map().get(key.fd) is key:  # its link may be closed by now
                    self._carry(key.data, key.fileobj)
            self._deliver()

    def _obey(self) -> None:
        while self._orders:
            order, done = self._orders.popleft()
            order()
            done.set()

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        try:
            link = Link(client, self.target)
        except ConnectionRefusedError:
            client.close()
            return
        for end in (link.client, link.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(end, selectors.EVENT_READ, link)

    def _carry(self, link: Link, source: socket.socket) -> None:
        try:
            data = source.recv(1 << 20)
            if data and not self._loses(reply=source is link.server):
                self._count(link, source, len(data))
                if source is link.client:
                    self.take_request(link, data)
                else:
                    self.take_reply(link, data)
                return
        except ConnectionError:
            pass
        self.drop(link)

    def take_request(self, link: Link, data: bytes) -> None:
        """Carry on what a client has sent."""
        link.server.sendall(data)

    def take_reply(self, link: Link, data: bytes) -> None:
        """Carry back what the server has sent."""
        self.send_back(link, data, self.delay)

    def send_back(self, link: Link, data: bytes, delay: float = 0.0) -> None:
        """Send something to a client, ``delay`` seconds later, and not before what waits already.

        Others are not held up meanwhile.
        """
        now = monotonic()
        link.due = max(link.due, now + delay)
        if link.due > now:
            heapq.heappush(self._held, (link.due, next(self._numbers), link, data))
        else:
            self._deliver()  # what was held back and is due goes first
            if link.is_open:
                link.client.sendall(data)

    def drop(self, link: Link) -> None:
        """Close both connections."""
        if link.is_open:
            self._selector.unregister(link.client)
            self._selector.unregister(link.server)
            link.close()

    def links(self) -> list[Link]:
        """Return what is open."""
        found = [key.data for key in self._selector.get_map().values()]
        return list({id(link): link for link in found if link is not None}.values())

    def _patience(self) -> float | None:
        return max(0.0, self._held[0][0] - monotonic()) if self._held else None

    def _deliver(self) -> None:
        while self._held and self._held[0][0] <= monotonic():
            _, _, link, data = heapq.heappop(self._held)
            try:
                if link.is_open:
                    link.client.sendall(data)
            except ConnectionError:
                self.drop(link)

    def _loses(self, *, reply: bool) -> bool:
        if not reply:
            return self.lose_requests
        if not self.lose_replies:
            return False
        self.lose_replies -= 1
        return True

    def _count(self, link: Link, source: socket.socket, size: int) -> None:
        self.sent += size if source is link.client else 0
        if source is link.client and not link.waiting:
            self.trips += 1
        link.waiting = source is link.client
