"""Real groups for the tests: a master, its replicas, and three sentinels that watch over them."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import redis

from tests.caches import caches
from tests.servers import Server, binary

NAME = "main"
AT_ONCE = ("--repl-diskless-sync-delay", "0")  # a replica gets what there is
BOUND = 60  # seconds, for whatever should come about within a few


def eventually(condition: Callable[[], Any]) -> Any:
    """Return what ``condition`` gives once that is true. An error of a server counts as false."""
    deadline = time.monotonic() + BOUND
    while True:
        try:
            if found := condition():
                return found
        except redis.RedisError:
            pass
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


class Sentinel(Server):
    """A sentinel that watches over the master at a port."""

    def watch(self, port: int, quorum: int, *lines: str, pairs: Iterable[str] = ()) -> "Sentinel":
        own = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *lines]
        of_master = (
            f"monitor {NAME} 127.0.0.1 {port} {quorum}",
            f"down-after-milliseconds {NAME} 500",
            f"failover-timeout {NAME} 3000",
            *pairs,
        )
        text = "\n".join([*own, *(f"sentinel {line}" for line in of_master), ""])
        (self.folder / "sentinel.conf").write_text(text)
        return self

    def command(self) -> list[str]:
        return [str(binary(self.name)), "sentinel.conf", "--sentinel"]


class Group:
    """What a site names as ``redis://main/0``: a master, replicas, and sentinels."""

    def __init__(self, name: str = "valkey", replicas: int = 2) -> None:
        master = Server(name, None, *AT_ONCE)
        follow = (*AT_ONCE, "--replicaof", "127.0.0.1", str(master.port))
        self.servers = [master, *(Server(name, None, *follow) for _ in range(replicas))]
        self.sentinels = [Sentinel(name).watch(master.port, 2) for _ in range(3)]

    def start(self) -> "Group":
        for one in [*self.servers, *self.sentinels]:
            one.start()
        eventually(self._is_whole)
        return self

    def stop(self) -> None:
        for one in [*self.sentinels, *self.servers]:
            one.stop()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]

    def caches(self, **options: Any) -> dict[str, Any]:
        """Return CACHES by django-redis's options for Sentinel."""
        return caches(
            f"redis://{NAME}/0",
            **{
                "CLIENT_CLASS": "django_redis.client.SentinelClient",
                "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
                "SENTINELS": self.addresses,
                **options,
            },
        )

    def master(self) -> Server:
        """Return the server that the sentinels agree upon, and that says so itself."""
        return eventually(self._agreed)

    def fail_over(self, pause: int = 0) -> None:
        """Have another server be the master; the present one takes no writes for ``pause`` s."""
        former = self.master()
        with self.sentinels[0].client() as sentinel, former.client() as client:
            if pause:
                client.execute_command("CLIENT PAUSE", 1000 * pause, "WRITE")
            eventually(lambda: sentinel.sentinel_failover(NAME))
        eventually(lambda: self._agreed() not in {None, former})

    def _agreed(self) -> Server | None:
        named = {self._state(sentinel)["port"] for sentinel in self.sentinels}
        (port, *others) = named
        found = next(server for server in self.servers if server.port == port)
        with found.client() as client:
            return None if others or client.role()[0] != b"master" else found

    def _is_whole(self) -> bool:
        """Tell whether all have found each other, and the replicas have what the master has."""
        states = [self._state(sentinel) for sentinel in self.sentinels]
        replicas = len(self.servers) - 1
        known = all(
            (state["num-other-sentinels"], state["num-slaves"]) == (2, replicas) for state in states
        )
        with self.master().client() as client:
            client.set("known to all", 1)
            return known and client.wait(replicas, 1000) == replicas

    def _state(self, sentinel: Server) -> dict[str, Any]:
        with sentinel.client() as client:
            return client.sentinel_master(NAME)
