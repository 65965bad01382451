"""What a record that was read anew means for a socket: nothing, or the end, and why."""

from .. import operations
from ..reasons import Reason
from ..record import Record, Standing, Unreadable
from ..session import SessionStore
from .codes import CODE_OF, CloseCode

_ROTATIONS = {Reason.LOGIN, Reason.RENEWED}


def verdict(
    session: SessionStore, record: Record | Unreadable | None, hint: str
) -> CloseCode | None:
    """Return the code with which to close, or None where the session goes on.

    The record decides whether; ``hint``, the last message's first word, only why.
    """
    key = session.key
    if key is None or isinstance(record, Unreadable):
        return CloseCode.ENDED
    if record is None or operations.has_expired(record):
        return _why_ended(session, record, hint)
    if operations.standing(key, record) is Standing.CURRENT:
        return None
    return CloseCode.RENEWED if hint == Reason.RENEWED else CloseCode.LOGGED_IN


def _why_ended(session: SessionStore, record: Record | None, hint: str) -> CloseCode:
    if record is not None or (session.expires_in or 0) <= 0:
        return CloseCode.EXPIRED
    reasons = {reason.value: reason for reason in Reason if reason not in _ROTATIONS}
    return CODE_OF[reasons[hint]] if hint in reasons else CloseCode.ENDED
