"""A proxy that injects faults between clients and the server: which one, and when, is told to it.

In this process::

    with FaultyProxy(server.port) as proxy:
        proxy.set("black hole")      # in force when set() returns
        proxy.set("reset before", times=1)
        proxy.clear()

In a process of its own, which shares no interpreter with those who are measured::

    with RemoteProxy(server.port) as proxy:  # the same set() and clear()

Where that is told by another program: ``python -m tests.faults.proxy PORT`` prints the port that it
listens on, and then one line for each line that it reads: ``set NAME [TIMES]``, or ``clear``.
"""

import contextlib
import selectors
import socket
import struct
import subprocess
import sys
from types import TracebackType
from weakref import WeakKeyDictionary

import hiredis

from tests.faults.kinds import FAULTS, Fault
from tests.proxy import Link, Proxy
from tests.servers import free_port


class Debts:
    """How many commands of a connection the server has not answered yet."""

    def __init__(self) -> None:
        self.open = 0
        self._asked, self._answered = hiredis.Reader(), hiredis.Reader()

    def ask(self, data: bytes) -> None:
        if not data.startswith(b"*") and not self._asked.has_data():  # a command as people type it
            self.open += data.count(b"\n")
            return
        self._asked.feed(data)
        while self._asked.gets() is not False:
            self.open += 1

    def answer(self, data: bytes) -> None:
        self._answered.feed(data)
        while self._answered.gets() is not False:
            self.open = max(0, self.open - 1)  # a listener is told what it did not ask for


class FaultyProxy(Proxy):
    """A proxy in a thread, with one of FAULTS at a time, or none."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self._listening.close()  # to stop listening and begin again, the port must be asked for
        self._listening = socket.create_server(("127.0.0.1", free_port()))
        self.port = self._listening.getsockname()[1]
        self._fault: Fault | None = None
        self._times: int | None = None
        self._debts: WeakKeyDictionary[Link, Debts] = WeakKeyDictionary()
        self.met = 0  # how often the present fault has met a request, a reply or a connection

    def set(self, name: str, times: int | None = None) -> None:
        """Have a fault in force, for so many requests or replies, or until it is cleared."""
        fault = FAULTS[name]
        self.do(lambda: self._begin(fault, times))

    def clear(self) -> None:
        """Have the way free again. What a black hole has swallowed is lost with its connection."""
        self.do(self._end)

    def kill_idle(self) -> None:
        """Reset all connections at once, as a firewall may."""
        self.do(lambda: [self._reset(link) for link in self.links()])

    def _begin(self, fault: Fault, times: int | None) -> None:
        self._end()
        self._fault, self._times, self.met = fault, times, 0
        if fault.kind == "refuse":
            self._listening.shutdown(socket.SHUT_RDWR)  # the port stays ours
            self._selector.unregister(self._listening)
            for link in self.links():
                self._reset(link)

    def _end(self) -> None:
        if self._fault is not None and self._fault.kind == "refuse":
            self._listening.listen(128)
            self._selector.register(self._listening, selectors.EVENT_READ)
        self._fault = None
        for link in self.links():
            if link.swallowed:
                self._reset(link)

    def _meets(self, *kinds: str) -> Fault | None:
        """Return the fault if it is of these kinds, and count that it met something."""
        fault = self._fault
        if fault is None or fault.kind not in kinds:
            return None
        self.met += 1
        if self._times is not None:
            self._times -= 1
            if self._times <= 0:
                self._end()
        return fault

    def _accept(self) -> None:
        fault = self._fault
        if fault is not None and fault.kind == "refuse":  # it was in the queue
            self._listening.accept()[0].close()
        elif fault is not None and fault.kind == "full":
            client, _ = self._listening.accept()
            self._meets("full")
            with client, contextlib.suppress(ConnectionError):  # who has gone again
                client.sendall(fault.reply)
        else:
            super()._accept()

    def take_request(self, link: Link, data: bytes) -> None:
        if link.swallowed or self._meets("swallow"):
            link.swallowed = True
        elif self._fault is not None and self._fault.kind == "answer":
            self._answer(link, data)
        elif data or link.partial:
            self._carry_on(link, link.partial + data)

    def _carry_on(self, link: Link, data: bytes) -> None:
        link.partial = b""
        self._debts.setdefault(link, Debts()).ask(data)
        super().take_request(link, data)

    def _answer(self, link: Link, data: bytes) -> None:
        """Answer in the place of the server, unless it is to be asked nevertheless."""
        commands, is_whole = _parsed(link.partial + data)
        link.partial += data
        fault = self._fault
        if not is_whole or fault is None:
            return
        if all(fault.spares(words) for words in commands):
            self._carry_on(link, link.partial)
        elif not self._owes(link):  # else the replies would change places
            link.partial = b""
            self._meets("answer")
            self.send_back(link, fault.reply * len(commands))

    def _owes(self, link: Link) -> bool:
        return self._debts.setdefault(link, Debts()).open > 0

    def take_reply(self, link: Link, data: bytes) -> None:
        self._debts.setdefault(link, Debts()).answer(data)
        self._take_reply(link, data)
        if link.is_open and link.partial and not self._owes(link):
            self.take_request(link, b"")  # which has waited for this

    def _take_reply(self, link: Link, data: bytes) -> None:
        fault = self._meets("reset", "delay", "drip")
        if link.swallowed:
            return
        if fault is None:
            super().take_reply(link, data)
        elif fault.kind == "reset":
            self.send_back(link, data[: fault.kept(len(data))])
            self._reset(link)
        elif fault.kind == "delay":
            self.send_back(link, data, fault.seconds)
        else:
            for position in range(len(data)):
                self.send_back(link, data[position : position + 1], 0.0)
                link.due += fault.seconds

    def _reset(self, link: Link) -> None:
        if link.is_open:
            link.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.drop(link)


def _parsed(data: bytes) -> tuple[list[list[bytes]], bool]:
    """Return the commands in what a client has sent, and whether the last one is whole."""
    reader = hiredis.Reader()
    reader.feed(data)
    commands = []
    while (words := reader.gets()) is not False:
        commands.append(words)
    return commands, not reader.has_data()


class RemoteProxy:
    """A FaultyProxy in a process of its own."""

    def __init__(self, target: int) -> None:
        self._target = target

    def __enter__(self) -> "RemoteProxy":
        words = [sys.executable, "-m", "tests.faults.proxy", str(self._target)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def set(self, name: str, times: int | None = None) -> None:
        """See FaultyProxy.set()."""
        assert name in FAULTS
        self._tell(f"set {name}" if times is None else f"set {name} {times}")

    def clear(self) -> None:
        """See FaultyProxy.clear()."""
        self._tell("clear")

    def _tell(self, line: str) -> None:
        self._process.stdin.write(f"{line}\n")
        if self._process.stdout.readline() != "done\n":
            raise RuntimeError("The proxy ended.")


def _obey(proxy: FaultyProxy, line: str) -> None:
    word, _, name = line.partition(" ")
    if word == "clear":
        proxy.clear()
    elif name in FAULTS:
        proxy.set(name)
    else:
        name, _, times = name.rpartition(" ")
        proxy.set(name, int(times))


def main() -> None:
    """Run a proxy until standard input ends."""
    with FaultyProxy(int(sys.argv[1])) as proxy:
        sys.stdout.write(f"{proxy.port}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            _obey(proxy, line.strip())
            sys.stdout.write("done\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
