"""A TCP proxy before the server: it counts round trips, and loses replies when told to."""

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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


class _Link:
    """A client's connection and the one that carries it on to the server."""

    def __init__(self, client: socket.socket, target: tuple[str, int]) -> None:
        self.client = client
        self.server = socket.create_connection(target)
        self.waiting = False  # the client has sent, and has not received yet

    def close(self) -> None:
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
            if isinstance(key.data, _Link):
                key.data.close()
        self._selector.close()
        self._listening.close()
        self._woken.close()

    def _run(self) -> None:
        while True:
            ready = [key for key, _ in self._selector.select()]
            if any(key.fileobj is self._woken for key in ready):
                return
            for key in ready:
                if key.fileobj is self._listening:
                    self._accept()
                elif self._selector.get_map().get(key.fd) is key:  # its link may be closed by now
                    self._carry(key.data, key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        try:
            link = _Link(client, self.target)
        except ConnectionRefusedError:
            client.close()
            return
        self._selector.register(link.client, selectors.EVENT_READ, link)
        self._selector.register(link.server, selectors.EVENT_READ, link)

    def _carry(self, link: _Link, source: socket.socket) -> None:
        try:
            data = source.recv(1 << 20)
            if data and not self._loses(reply=source is link.server):
                self._count(link, source, len(data))
                time.sleep(self.delay if source is link.server else 0)
                (link.server if source is link.client else link.client).sendall(data)
                return
        except ConnectionError:
            pass
        self._selector.unregister(link.client)
        self._selector.unregister(link.server)
        link.close()

    def _loses(self, *, reply: bool) -> bool:
        if not reply:
            return self.lose_requests
        if not self.lose_replies:
            return False
        self.lose_replies -= 1
        return True

    def _count(self, link: _Link, source: socket.socket, size: int) -> None:
        self.sent += size if source is link.client else 0
        if source is link.client and not link.waiting:
            self.trips += 1
        link.waiting = source is link.client
