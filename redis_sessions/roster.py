"""The sessions of one user as steps: find them, end them, keep to the limit. Run by ``steps``.

A session counts as a user's only if its record says so, signed: the index is no more than a hint.
Nothing here takes a session out of the index because its record is missing: it may be on its way.
"""

import logging
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, NamedTuple

from django.db import DatabaseError

from . import codec, operations
from .conf import config
from .reasons import Reason
from .record import Facts
from .signals import session_ended
from .steps import Ask, FindUser, Send, Tell, Work
from .tokens import is_id

logger = logging.getLogger("redis_sessions")

PAGE = 500  # sessions a round trip


class Member(NamedTuple):
    """A session that is there, and of the user in question."""

    id: str
    facts: Facts
    user: bytes  # payload of ``_auth_user_id``
    sockets: int = 0  # how many are open


def payload(value: str) -> bytes:
    """Return how a record holds a text."""
    return codec.encode(value, config().serializer())


def text(payload: bytes) -> str | None:
    """Return the user that a payload of ``_auth_user_id`` names; None if it cannot be decoded.

    A site may have stored a number: Django takes it as well.
    """
    try:
        return str(codec.decode(payload, config().serializer()))
    except Exception as error:  # noqa: BLE001 a serializer may raise anything
        logger.warning("A session's user cannot be decoded (%s).", type(error).__name__)
        return None


def page(
    user_id: str, offset: int, limit: int, *, sockets: bool = False
) -> Work[tuple[list[Member], int]]:
    """Read sessions, those that expire last coming first, and how many the index named.

    With ``sockets``, those that are open are counted.
    """
    [ids] = yield Send(operations.members(user_id, offset, limit))
    if not ids:
        return [], 0
    questions = [operations.facts(session_id) for session_id in ids]
    tallies = [operations.count_sockets(ids)] if sockets else []
    replies = yield Send(*questions, *tallies)
    numbers = replies[-1] if sockets else repeat(0)
    return _members(user_id, ids, replies[: len(ids)], numbers), len(ids)


def find(user_id: str, session_id: str) -> Work[Member | None]:
    """Read one session; None where this user has no such."""
    if not is_id(session_id):
        return None
    [facts] = yield Send(operations.facts(session_id))
    return next(iter(_members(user_id, [session_id], [facts])), None)


def everything(user_id: str) -> Work[list[Member]]:
    """Read all sessions; none is missed because another is renewed meanwhile."""
    found, cursor = dict[str, Member](), -1
    while cursor:
        [(cursor, ids)] = yield Send(operations.scan_index(user_id, max(0, cursor), PAGE))
        if ids:
            facts = yield Send(*(operations.facts(session_id) for session_id in ids))
            found |= {one.id: one for one in _members(user_id, ids, facts)}
    return [*found.values()]


def _members(
    user_id: str, ids: list[str], found: list[Facts | None], sockets: Iterable[int] = repeat(0)
) -> list[Member]:
    return [
        Member(session_id, facts, user, number)
        for session_id, facts, number in zip(ids, found, sockets, strict=False)
        if facts is not None and is_id(session_id) and operations.is_there(facts)
        if (user := operations.user_of(session_id, facts.user)) is not None
        if text(user) == user_id
    ]


def end(user_id: str, members: Iterable[Member], reason: Reason) -> Work[list[Member]]:
    """End sessions, and return those that were still there."""
    ended: list[Member] = []
    waiting = list(members)
    while waiting:
        batch, waiting = waiting[:PAGE], waiting[PAGE:]
        ends = [operations.revoke(member.id, reason, member.user) for member in batch]
        ids = [member.id for member in batch]
        *done, _ = yield Send(*ends, operations.delist(user_id, *ids))
        ended += [member for member, was_there in zip(batch, done, strict=True) if was_there]
    for member in ended if session_ended.has_listeners() else ():
        yield Tell(session_ended, None, session_id=member.id, user_id=user_id, reason=reason)
    return ended


def end_all(
    user_id: str, reason: Reason, spare: Callable[[Member], bool] = lambda _: False
) -> Work[list[Member]]:
    """End all sessions but those to spare, and return what was ended."""
    members = yield from everything(user_id)
    return (yield from end(user_id, [one for one in members if not spare(one)], reason))


def end_outdated(user_id: str, keep: str, auth_hash: bytes) -> Work[None]:
    """End the sessions that were opened under a former password; ``auth_hash`` is of the new one.

    Hashes made with a fallback of SECRET_KEY count: who rotates that key logs nobody out.
    """
    try:
        user = yield FindUser(user_id, fresh=True)
    except DatabaseError as error:
        logger.error("Sessions under a former password of user %s go on: %s", user_id, error)
        return
    if user is None or not hasattr(user, "get_session_auth_hash"):
        return
    valid = [payload(user.get_session_auth_hash())]
    fallbacks: Any = getattr(user, "get_session_auth_fallback_hash", tuple)()
    valid += [payload(former) for former in fallbacks]
    if auth_hash == valid[0]:
        yield from end_all(
            user_id,
            Reason.REVOKED,
            lambda one: one.id == keep or operations.holds_hash(one.id, one.facts, valid),
        )


def limit(user_id: str) -> Work[int | None]:
    """Return how many sessions a user may have; None: any number."""
    depends = config().limit_of
    if depends is None:
        return config().MAX_SESSIONS_PER_USER  # type: ignore[return-value]
    user: Any = yield FindUser(user_id, fresh=True)
    allowed: int | None = None if user is None else (yield Ask(depends, user))
    return allowed


def keep_limit(user_id: str, session_id: str, named: int) -> Work[bool]:
    """After a login, end the oldest sessions over the limit; ``named`` is how many the index names.

    True where the limit refuses instead, and this session is the one too many. All processes order
    logins by the server's clock, so each of many at once comes to the same result.
    """
    allowed = yield from limit(user_id)
    if allowed is None or named <= allowed:
        return False
    members = yield from everything(user_id)
    members.sort(key=lambda one: (one.facts.login, one.id))
    if config().OVER_LIMIT == "refuse":
        return session_id in {one.id for one in members[allowed:]}
    yield from end(user_id, members[: max(0, len(members) - allowed)], Reason.REPLACED)
    return False
