"""What an error of the server means: try again or not, is anybody served at all, what to do.

No clock, no connection. Which errors are tried again: see the table in docs/failure.rst.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from redis import exceptions as errors


class Unanswered(errors.TimeoutError):
    """A connection that has served before gave no answer in time: a new one may."""


class LeftAlone(errors.ConnectionError):
    """A node of a cluster fails one call after another, and was not even asked."""


class Unmapped(errors.ConnectionError):
    """None of the nodes of a cluster that are known tells who serves what."""

    def __init__(self, reasons: Mapping[Any, errors.RedisError]) -> None:
        """``reasons`` are what the nodes that were asked said, by their addresses."""
        told = listed(reasons) or "there was no time to ask one"
        super().__init__(f"No node of the cluster tells its slots ({told})")
        self.reasons = [*reasons.values()]


class Unled(errors.ConnectionError):
    """The sentinels name no server that is a master."""


class Unasked(errors.TimeoutError):
    """A node of a cluster was not asked: there was no time left."""


@dataclass(eq=False)
class Fault:
    """``seconds`` is how long after the begin of a call it is tried again; 0: not at all.

    With ``stops``, the server serves nobody, and calls that fail of it open the breaker. With
    ``breaks``, other connections to it are likely to be dead, too.
    """

    name: str
    advice: str
    seconds: float = 0.0
    stops: bool = False
    breaks: bool = False


_PASSING = 0.5  # seconds; what takes longer to fail is not tried again

LOST = Fault(
    "lost",
    "Check that it runs and can be reached, and that the entry's LOCATION is right.",
    _PASSING,
    stops=True,
    breaks=True,
)
LATE = Fault(
    "late",
    "Check that it runs, that nothing on the way swallows what is sent, and which commands keep it"
    " busy (SLOWLOG).",
    _PASSING,
    stops=True,
    breaks=True,
)
NONE_FREE = Fault(
    "full pool",
    "All connections of this process are in use: raise max_connections or timeout in"
    " CONNECTION_POOL_KWARGS, or have fewer threads.",
)
MAX_CLIENTS = Fault(
    "max clients",
    "Raise the server's maxclients, or lower max_connections in CONNECTION_POOL_KWARGS.",
    _PASSING,
    stops=True,
)
LOADING = Fault(
    "LOADING", "It reads its data in after a start and serves then.", _PASSING, stops=True
)
BUSY = Fault(
    "BUSY",
    "A script or function of somebody keeps it busy: SCRIPT KILL or FUNCTION KILL ends that.",
    _PASSING,
    stops=True,
)
MASTERDOWN = Fault(
    "MASTERDOWN",
    "It is a replica that has lost its master: LOCATION has to name the master.",
    _PASSING,
    stops=True,
)
CLUSTERDOWN = Fault(
    "CLUSTERDOWN", "Look at CLUSTER INFO and at the nodes that failed.", _PASSING, stops=True
)
TRYAGAIN = Fault("TRYAGAIN", "Keys are on their way to another node: try again.", _PASSING)
LEFT_ALONE = Fault("left alone", "The other nodes go on: look at this one.")
READONLY = Fault(
    "READONLY",
    "It is a replica, and takes no writes: LOCATION has to name the master.",
    0.2,  # who was the master a moment ago; the next connection may lead to the new one
    breaks=True,
)
MOVED = Fault(
    "MOVED",
    "It is a node of a cluster, and the entry names it as a single server: set OPTIONS['CLUSTER'].",
)
OOM = Fault(
    "OOM",
    "It has no memory left for writes: raise maxmemory.",
)
MISCONF = Fault("MISCONF", "It cannot write to its disk: look at its log and its disk.")
NOREPLICAS = Fault(
    "NOREPLICAS",
    "It takes no writes without replicas: look at INFO replication.",
    0.2,  # no master any more, or one that was cut off
    breaks=True,
)
REFUSED = Fault("refused", "Check the entry's credentials.")
NOPERM = Fault("NOPERM", "Give its user the permissions that sessions need (ACL SETUSER).")
OTHER = Fault("other", "Check that LOCATION leads to Redis or Valkey, and look at its log.")

NO_MASTER = Fault(
    "no master",
    "Check that the sentinels run and can be reached, that SENTINELS and SENTINEL_KWARGS are right,"
    " and that LOCATION names their service.",
    _PASSING,
    stops=True,
    breaks=True,
)
UNCONFIRMED = Fault(
    "not replicated", "Look at INFO replication, and whether WAIT_REPLICAS asks for too many."
)
NO_CLUSTER = Fault("no cluster", "It is a single server: leave OPTIONS['CLUSTER'] out.")

_BY_CLASS = (
    (LeftAlone, LEFT_ALONE),
    (Unled, NO_MASTER),
    (errors.MaxConnectionsError, NONE_FREE),
    (errors.BusyLoadingError, LOADING),
    (errors.AuthenticationError, REFUSED),
    (errors.AuthenticationWrongNumberOfArgsError, REFUSED),
    (errors.AuthorizationError, REFUSED),
    (errors.ExternalAuthProviderError, REFUSED),
    (errors.MasterDownError, MASTERDOWN),
    (errors.ClusterDownError, CLUSTERDOWN),
    (errors.TryAgainError, TRYAGAIN),
    (errors.ReadOnlyError, READONLY),
    (errors.OutOfMemoryError, OOM),
    (errors.NoPermissionError, NOPERM),
    (errors.AskError, MOVED),
    (errors.TimeoutError, LATE),
)
_BY_WORD = {"BUSY": BUSY, "MISCONF": MISCONF, "NOREPLICAS": NOREPLICAS}


def fault_of(error: errors.RedisError) -> Fault:
    """Return what an error means."""
    if isinstance(error, Unmapped):
        return _common(error.reasons)
    for kind, fault in _BY_CLASS:
        if isinstance(error, kind):
            return fault
    if isinstance(error, errors.ConnectionError):
        return MAX_CLIENTS if "max number of clients" in str(error) else LOST
    if "cluster support disabled" in str(error):
        return NO_CLUSTER
    return _BY_WORD.get(str(error).partition(" ")[0], OTHER)


def _common(reasons: Iterable[errors.RedisError]) -> Fault:
    """Return what it means that all nodes fail: a refusal only where all refuse."""
    faults = [fault_of(error) for error in reasons if not isinstance(error, LeftAlone)]
    return next((fault for fault in faults if fault.stops), faults[0] if faults else LOST)


def listed(reasons: Mapping[Any, errors.RedisError | str]) -> str:
    """Return in one line what several servers said, by their addresses."""
    each = ((f"{host}:{port}", str(told)) for (host, port), told in reasons.items())
    return "; ".join(f"{where}: {told.rstrip('.')}" for where, told in each)


def text_of(error: errors.RedisError) -> str:
    """Return what an error says, without a stop; redis-py cuts off the first word of some."""
    text = str(error).rstrip(".")
    if isinstance(error, errors.AskError):
        return f"{'MOVED' if isinstance(error, errors.MovedError) else 'ASK'} {text}"
    return text
