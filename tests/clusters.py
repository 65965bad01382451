"""A real Redis Cluster for the tests: three masters and three replicas on 127.0.0.1."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot

from tests.servers import Server, free_port

BOUND = 30  # seconds, for whatever a cluster should come to
NODE_TIMEOUT = 1000  # milliseconds until a node that does not answer is held to be dead
MASTERS = 3


def wait_for(condition: Callable[[], Any]) -> Any:
    """Return what ``condition`` gives once that is true."""
    deadline = time.monotonic() + BOUND
    while not (found := condition()):
        assert time.monotonic() < deadline, "the cluster does not come to it"
        time.sleep(0.02)
    return found


class Cluster:
    """Nodes that know each other; the first three are masters at first, each with one replica."""

    def __init__(self, name: str = "valkey") -> None:
        self.nodes = [Server(name, None, *_options()) for _ in range(2 * MASTERS)]

    @property
    def urls(self) -> list[str]:
        return [f"redis://127.0.0.1:{node.port}" for node in self.nodes]

    def start(self) -> "Cluster":
        for node in self.nodes:
            node.start()
        size = 16384 // MASTERS
        for number, node in enumerate(self.nodes[:MASTERS]):
            last = 16383 if number == MASTERS - 1 else size * (number + 1) - 1
            self.ask(node, "CLUSTER", "ADDSLOTSRANGE", size * number, last)
            self.ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            first = self.nodes[0]
            self.ask(first, "CLUSTER", "MEET", "127.0.0.1", node.port, _bus_port(node))
        wait_for(lambda: all(len(self._known(node)) == len(self.nodes) for node in self.nodes))
        for number, node in enumerate(self.nodes[MASTERS:]):
            self.ask(node, "CLUSTER", "REPLICATE", self.id_of(self.nodes[number]))
        wait_for(self.is_whole)
        return self

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def ask(self, node: Server, *words: Any) -> Any:
        """Send a command to one node."""
        with node.client() as client:
            return client.execute_command(*words)

    def client(self) -> RedisCluster:
        """Return redis-py's own client of the cluster, to look at what the package has stored."""
        return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", n.port) for n in self.alive])

    @property
    def alive(self) -> list[Server]:
        return [node for node in self.nodes if node.is_running]

    def id_of(self, node: Server) -> str:
        return self.ask(node, "CLUSTER", "MYID").decode()

    def is_whole(self) -> bool:
        """Tell whether all nodes that run agree that all is well, and each replica has its data."""
        return all(map(self._is_well, self.alive))

    @property
    def masters(self) -> list[Server]:
        return [*dict.fromkeys(map(self.owner, (0, 8000, 16000)))]

    def owner(self, slot: int) -> Server:
        """Return the master of a slot, as the nodes that run see it."""
        for node in self.alive:
            for first, last, master, *_ in _slots(node):
                if first <= slot <= last:
                    found = [one for one in self.alive if one.port == master[1]]
                    if found:
                        return found[0]
        raise AssertionError(f"nobody serves {slot}")

    def owner_of(self, key: str) -> Server:
        return self.owner(key_slot(key.encode()))

    def replica_of(self, master: Server) -> Server:
        """Return a node that replicates a master and is not behind."""
        for node in self.alive:
            told = node.client().info("replication")
            if told["role"] == "slave" and told["master_port"] == master.port:
                return node
        raise AssertionError(f"nobody replicates {master.port}")

    def wait_for_replica(self, master: Server) -> None:
        """Wait until a replica has everything that a master has acknowledged by now."""
        slots = next(slots for slots in _slots(master) if slots[2][1] == master.port)
        with master.client() as client:
            client.set(_key_of(slots[0]), 1, ex=60)
            assert client.wait(1, 1000 * BOUND) == 1

    def flush(self) -> None:
        for node in self.alive:
            if node.client().info("replication")["role"] == "master":
                self.ask(node, "FLUSHALL")

    def heal(self) -> None:
        """Have every node run again, whatever a test has done to it."""
        for node in self.nodes:
            if node.is_running:
                node.thaw()
            else:
                node.start()
        wait_for(self.is_whole)

    def restart(self, node: Server) -> None:
        """Start a node that was killed, and wait until it has joined the others again."""
        node.start()
        wait_for(self.is_whole)

    def move(self, slot: int, between: Callable[[], Any] = lambda: None) -> Server:
        """Move a slot to another master, key by key; call ``between`` before and behind each.

        As ``redis-cli --cluster reshard`` does. Returns the new master.
        """
        source = self.owner(slot)
        target = next(node for node in self.masters if node is not source)
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))
        between()
        while keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 1):
            self.ask(source, "MIGRATE", "127.0.0.1", target.port, keys[0], 0, 5000)
            between()
        for node in (target, source):
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.id_of(target))
        return target

    def _known(self, node: Server) -> list[bytes]:
        lines = node.client().execute_command("CLUSTER NODES")
        return [name for name, told in lines.items() if "handshake" not in told["flags"]]

    def _is_well(self, node: Server) -> bool:
        client = node.client()
        told = client.info("replication")
        in_sync = told["role"] == "master" or told["master_link_status"] == "up"
        roles = [one["flags"] for one in client.execute_command("CLUSTER NODES").values()]
        masters = sum("master" in flags and "fail" not in flags for flags in roles)
        info = client.execute_command("CLUSTER INFO")
        return in_sync and info["cluster_state"] == "ok" and masters == MASTERS


def _options() -> Iterator[str]:
    yield from ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    yield from ("--cluster-node-timeout", str(NODE_TIMEOUT), "--cluster-replica-validity-factor")
    yield from ("0", "--repl-diskless-sync-delay", "0", "--cluster-require-full-coverage", "no")


def _key_of(slot: int) -> str:
    """Return a key of a slot."""
    return next(key for key in map(str, range(10**6)) if key_slot(key.encode()) == slot)


def _bus_port(node: Server) -> int:
    return int(node.options[node.options.index("--cluster-port") + 1])


def _slots(node: Server) -> list[Any]:
    with redis.Redis(port=node.port, protocol=2) as client:
        client.response_callbacks.clear()
        return client.execute_command("CLUSTER", "SLOTS")
