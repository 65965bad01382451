"""Whose sessions: list them, count them, end them. Each function has an async twin.

An anonymous user has none.
A session is in a user's list from the moment it is logged in, however that was done.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from . import operations, roster, steps
from .info import SessionInfo
from .reasons import Reason
from .roster import Member
from .session import SessionStore
from .steps import Work

__all__ = [
    "SessionInfo",
    "acount",
    "aend_session",
    "aend_sessions",
    "alast_login",
    "asessions_of",
    "count",
    "end_session",
    "end_sessions",
    "last_login",
    "sessions_of",
]

_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST = 2**31  # sessions; no user has as many, and a server takes the number


def sessions_of(
    user: Any, current: SessionStore | None = None, *, offset: int = 0, limit: int = 100
) -> list[SessionInfo]:
    """Return a page of a user's sessions, the latest login first.

    ``current`` is the one that asks, ``request.session`` say: it is marked. Of more than ``limit``,
    the page holds those that expire last. Raises SessionStoreUnavailable, and ValueError or
    TypeError for an offset or a limit that cannot be.
    """
    return steps.run(_sessions_of(user, current, offset, limit))


async def asessions_of(
    user: Any, current: SessionStore | None = None, *, offset: int = 0, limit: int = 100
) -> list[SessionInfo]:
    """See sessions_of()."""
    return await steps.arun(_sessions_of(user, current, offset, limit))


def count(user: Any) -> int:
    """Return how many sessions a user has. Raises SessionStoreUnavailable."""
    return steps.run(_count(user))


async def acount(user: Any) -> int:
    """See count()."""
    return await steps.arun(_count(user))


def end_session(user: Any, session_id: str, reason: Reason = Reason.REVOKED) -> SessionInfo | None:
    """End one of a user's sessions, and return what it was.

    None where this user has no such session, whether anybody else has. Its open sockets are closed.
    Raises SessionStoreUnavailable.
    """
    return steps.run(_end_session(user, session_id, reason))


async def aend_session(
    user: Any, session_id: str, reason: Reason = Reason.REVOKED
) -> SessionInfo | None:
    """See end_session()."""
    return await steps.arun(_end_session(user, session_id, reason))


def end_sessions(
    user: Any, keep: SessionStore | None = None, reason: Reason = Reason.REVOKED
) -> list[SessionInfo]:
    """End all sessions of a user, but that to keep, and return what was ended.

    A request that is under way in one of them cannot save any more: SessionGone. Open sockets are
    closed. Raises SessionStoreUnavailable.
    """
    return steps.run(_end_sessions(user, keep, reason))


async def aend_sessions(
    user: Any, keep: SessionStore | None = None, reason: Reason = Reason.REVOKED
) -> list[SessionInfo]:
    """See end_sessions()."""
    return await steps.arun(_end_sessions(user, keep, reason))


def last_login(user: Any) -> datetime | None:
    """Return when a user logged in last, an aware datetime in UTC, as Redis has it noted.

    None where it was not noted: that takes RECORD_LAST_LOGIN = "redis". Raises
    SessionStoreUnavailable.
    """
    return steps.run(_last_login(user))


async def alast_login(user: Any) -> datetime | None:
    """See last_login()."""
    return await steps.arun(_last_login(user))


def user_id(user: Any) -> str:
    """Return what sessions call a user: the primary key as text, as ``login()`` notes it."""
    text: str = user._meta.pk.value_to_string(user)
    return text


def _is_anonymous(user: Any) -> bool:
    return bool(getattr(user, "is_anonymous", False))


def _sessions_of(
    user: Any, current: SessionStore | None, offset: int, limit: int
) -> Work[list[SessionInfo]]:
    offset, limit = _number("offset", offset), _number("limit", limit)
    if _is_anonymous(user):
        return []
    members, _ = yield from roster.page(user_id(user), offset, limit, sockets=True)
    members.sort(key=lambda one: (one.facts.login, one.id), reverse=True)
    return [_info(member, current) for member in members]


def _number(name: str, value: int) -> int:
    """Return what of a number the server understands. Raises TypeError or ValueError."""
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value}")
    return min(value, _MOST)


def _count(user: Any) -> Work[int]:
    if _is_anonymous(user):
        return 0
    return len((yield from roster.everything(user_id(user))))


def _end_session(user: Any, session_id: str, reason: Reason) -> Work[SessionInfo | None]:
    if _is_anonymous(user):
        return None
    member = yield from roster.find(user_id(user), session_id)
    ended = yield from roster.end(user_id(user), [member] if member else [], reason)
    return _info(ended[0]) if ended else None


def _end_sessions(user: Any, keep: SessionStore | None, reason: Reason) -> Work[list[SessionInfo]]:
    if _is_anonymous(user):
        return []
    kept = keep.id if keep is not None else None
    ended = yield from roster.end_all(user_id(user), reason, lambda one: one.id == kept)
    return [_info(member) for member in ended]


def _last_login(user: Any) -> Work[datetime | None]:
    if _is_anonymous(user):
        return None
    [microseconds] = yield steps.Send(operations.last_login(user_id(user)))
    if microseconds is None:
        return None
    return _EPOCH + timedelta(microseconds=microseconds)


def _info(member: Member, current: SessionStore | None = None) -> SessionInfo:
    expires = min(member.facts.expiry, member.facts.created + operations.absolute_age())
    is_current = current is not None and current.id == member.id
    return SessionInfo.of(
        member.id, member.facts, expires=expires, sockets=member.sockets, is_current=is_current
    )
