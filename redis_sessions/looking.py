"""Look at sessions by their ids, whosever they are: what they consist of, never their data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.contrib.auth import SESSION_KEY

from . import codec, operations
from .codec import SEAL_SIZE, SIGNATURE_SIZE
from .commands import records, server
from .conf import config
from .inspection import Inspection, Kind
from .record import Record, Unreadable
from .steps import Send, Work


@dataclass(slots=True)
class Look:
    """What was found under the id of a session."""

    id: str
    kind: Kind
    user_id: str | None
    fault: str  # why it cannot be read; else empty
    inspection: Inspection
    memory: int  # bytes in the server
    encoding: str  # listpack, hashtable and so on

    @property
    def keys(self) -> list[tuple[str, int]]:
        """Names of the session's keys, and the bytes that each value takes."""
        sizes, sealed = self.inspection.sizes, self.inspection.sealed
        return sorted(
            (
                name.decode(errors="replace"),
                max(0, size - (SEAL_SIZE if name in sealed else SIGNATURE_SIZE)),
            )
            for name, size in sizes.items()
            if name[:1] != b"\0"
        )


def look(ids: Sequence[str]) -> Work[list[Look]]:
    """Look at sessions; those that are not there are left out."""
    names = [operations.channel(session_id) for session_id in ids]
    asks = (records.inspect, server.memory, server.encoding)
    replies = yield Send(*(ask(name) for name in names for ask in asks))
    found = zip(ids, replies[::3], replies[1::3], replies[2::3], strict=True)
    return [_look(*each) for each in found if None not in each]


def _look(session_id: str, inspection: Inspection, memory: int, encoding: str) -> Look:
    kind, user_id, fault = Kind.UNREADABLE, None, ""
    try:
        kind, user_id = _read(session_id, inspection.record)
    except Unreadable as reason:
        fault = str(reason)
    return Look(session_id, kind, user_id, fault, inspection, memory, encoding)


def _read(session_id: str, record: Record | Unreadable) -> tuple[Kind, str | None]:
    """Tell what a record is, and whose. Raises Unreadable. What is sealed is not checked."""
    if isinstance(record, Unreadable):
        raise record
    readable = {name: held for name, held in record.fields.items() if not codec.is_sealed(held)}
    payloads, _ = replace(record, fields=readable).unseal(session_id, config().signing_keys)
    payload = payloads.get(SESSION_KEY)
    user_id = None if payload is None else _text(payload)
    if operations.has_expired(record):
        return Kind.EXPIRED, user_id
    if not record.fields:
        return Kind.EMPTY, None
    return (Kind.ANONYMOUS if user_id is None else Kind.LOGGED_IN), user_id


def _text(payload: bytes) -> str:
    """Return what a session calls its user. Raises Unreadable."""
    try:
        return str(codec.decode(payload, config().serializer()))
    except Exception as error:  # a serializer may raise anything
        fault = f"the field {SESSION_KEY!r} cannot be decoded ({type(error).__name__})"
        raise Unreadable(fault) from error
