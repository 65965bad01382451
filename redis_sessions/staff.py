"""What staff may do with any session, whosever it is: see what it consists of, and end it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import devices, operations, steps
from .commands import server
from .devices import Device
from .info import moment
from .inspection import Kind
from .looking import Look, look
from .reasons import Reason
from .record import Record, Unreadable
from .signals import session_ended
from .steps import Send, Tell, Work
from .tokens import is_id


@dataclass(frozen=True, slots=True)
class SessionDetails:
    """What a session consists of: never its data, never its secret. Times are aware, in UTC.

    Of a record that cannot be read, ``fault`` says why, and what is not known is None.
    """

    id: str
    kind: Kind
    user_id: str | None
    fault: str
    created: datetime | None
    logged_in: datetime | None
    last_seen: datetime | None
    expires: datetime | None
    device: Device
    sockets: int  # how many are open
    version: int | None
    keys: list[tuple[str, int]]  # names, and the bytes that each value takes
    ttl: int | None  # seconds for which the server keeps it; None: for ever
    memory: int  # bytes in the server
    encoding: str  # listpack, hashtable and so on


def details(session_id: str) -> SessionDetails | None:
    """Return what a session consists of; None where there is none of this id.

    Raises SessionStoreUnavailable.
    """
    return steps.run(_details(session_id))


def end(session_id: str, reason: Reason = Reason.REVOKED) -> SessionDetails | None:
    """End a session, and return what it was; None where there is none of this id.

    Its open sockets are closed. Raises SessionStoreUnavailable.
    """
    return steps.run(_end(session_id, reason))


def has_more(user_id: str, offset: int) -> bool:
    """Tell whether a user's index names more sessions than this. Raises SessionStoreUnavailable."""
    return steps.run(_has_more(user_id, offset))


def _details(session_id: str) -> Work[SessionDetails | None]:
    if not is_id(session_id):
        return None
    looks = yield from look([session_id])
    ttl, sockets = yield Send(
        server.ttl(operations.channel(session_id)), operations.count_sockets([session_id])
    )
    return _described(looks[0], ttl, sockets[0]) if looks else None


def _end(session_id: str, reason: Reason) -> Work[SessionDetails | None]:
    found = yield from _details(session_id)
    if found is None:
        return None
    of = [] if found.user_id is None else [operations.delist(found.user_id, session_id)]
    [was_there, *_] = yield Send(operations.revoke(session_id, reason, None), *of)
    if not was_there:
        return None
    if session_ended.has_listeners():
        told = {"session_id": session_id, "user_id": found.user_id, "reason": reason}
        yield Tell(session_ended, None, **told)
    return found


def _has_more(user_id: str, offset: int) -> Work[bool]:
    [ids] = yield Send(operations.members(user_id, offset, 1))
    return bool(ids)


def _described(found: Look, ttl: int, sockets: int) -> SessionDetails:
    inspection = found.inspection
    login = None if inspection.login is None else inspection.login / 1_000_000
    return SessionDetails(
        id=found.id,
        kind=found.kind,
        user_id=found.user_id,
        fault=found.fault,
        logged_in=None if found.user_id is None or login is None else moment(login),
        last_seen=None if inspection.seen is None else moment(inspection.seen),
        sockets=sockets,
        keys=found.keys,
        ttl=None if ttl < 0 else ttl,
        memory=found.memory,
        encoding=found.encoding,
        **_of_record(inspection.record),
    )


def _of_record(record: Record | Unreadable) -> dict[str, Any]:
    if isinstance(record, Unreadable):
        return {"created": None, "expires": None, "version": None, "device": Device()}
    return {
        "created": moment(record.created),
        "expires": moment(min(record.expiry, record.created + operations.absolute_age())),
        "version": record.version,
        "device": devices.unpack(record.device),
    }
