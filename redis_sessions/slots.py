"""Which node of a Redis Cluster serves which keys, as one of the nodes has told it. No I/O."""

from binascii import crc_hqx
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

SLOTS = 16384
UNKNOWN = (None,) * SLOTS


class Address(NamedTuple):
    """Where a node is reached."""

    host: str
    port: int


def slot_of(key: str | bytes) -> int:
    """Return the slot of a key, by the cluster's specification: of what is in braces, if any."""
    if isinstance(key, str):
        key = key.encode()
    _, opening, rest = key.partition(b"{")
    tag, closing, _ = rest.partition(b"}")
    return crc_hqx(tag if opening and closing and tag else key, 0) % SLOTS


class SlotMap:
    """The master of each slot. It does not change: where the cluster does, there is a new one."""

    def __init__(self, owners: Sequence[Address | None], others: Iterable[Address] = ()) -> None:
        self._owners = owners
        self.masters: dict[Address, int] = {}  # and the first of the slots of each
        for slot, owner in enumerate(owners):
            if owner is not None:
                self.masters.setdefault(owner, slot)
        self.nodes = [*dict.fromkeys([*self.masters, *others])]

    @classmethod
    def from_reply(cls, reply: list[Any], asked: Address) -> "SlotMap":
        """Read the reply to CLUSTER SLOTS. A node that names no host means the one it was asked by.

        Raises ValueError for another reply, and where it knows of no slot that is served: another
        node may.
        """
        owners, others = list[Address | None](UNKNOWN), list[Address]()
        try:
            for first, last, *nodes in reply:
                master, *replicas = (_address(node, asked) for node in nodes)
                owners[first : last + 1] = [master] * (last + 1 - first)
                others += (replica for replica in replicas if replica is not None)
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{asked} tells no slots: {error}") from error
        found = cls(owners[:SLOTS], others)
        if not found.masters:
            raise ValueError(f"{asked.host}:{asked.port} knows of no slot that is served")
        return found

    def owner(self, slot: int) -> Address | None:
        """Return the master that serves a slot; None where none does."""
        return self._owners[slot]

    def moved(self, slot: int, owner: Address) -> "SlotMap":
        """Return the map after a slot has moved."""
        owners = list(self._owners)
        owners[slot] = owner
        return SlotMap(owners, self.nodes)


def _address(node: list[Any], asked: Address) -> Address | None:
    host = (node[0] or b"").decode()
    return None if host == "?" else Address(host or asked.host, int(node[1]))
