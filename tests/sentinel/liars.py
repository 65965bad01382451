"""Sentinels that are of no use: one that answers wrongly, and one that does not answer."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Bad(socketserver.ThreadingTCPServer):
    """Listens at 127.0.0.1 and counts its visits; names ``port`` as that of the master, if any."""

    daemon_threads = True

    def __init__(self, port: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port, self.visits = port, 0
        self.reply: bytes | None = None  # to whatever it is asked

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server_address[1]


class _Handler(socketserver.StreamRequestHandler):
    server: Bad

    def handle(self) -> None:
        self.server.visits += 1
        while head := self.rfile.readline():
            words = [self._word() for _ in range(int(head[1:]))]
            if self.server.reply is not None:
                self.wfile.write(self.server.reply)
                continue
            if self.server.port is None:
                continue
            port = str(self.server.port)
            named = f"*2\r\n$9\r\n127.0.0.1\r\n${len(port)}\r\n{port}\r\n"
            self.wfile.write(named.encode() if words[0] == b"SENTINEL" else b"+OK\r\n")

    def _word(self) -> bytes:
        length = int(self.rfile.readline()[1:])
        return self.rfile.read(length + 2)[:-2]


@contextmanager
def bad(port: int | None = None) -> Iterator[Bad]:
    with Bad(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
