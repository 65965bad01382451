"""The errors of this package: one root, and children that say what happened. Nothing else."""

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import PermissionDenied


class RedisSessionsError(Exception):
    """Something went wrong in the session engine."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])


class SessionStoreUnavailable(RedisSessionsError):
    """The server that holds the sessions could not be reached or refused to work."""


class NotReplicated(SessionStoreUnavailable):
    """Fewer replicas than WAIT_REPLICAS have confirmed a write in time. The master has it."""


class SessionGone(RedisSessionsError, UpdateError, SessionInterrupted):
    """The session ended elsewhere, or expired, before it could be saved.

    Django answers 400 where a view lets it pass, as for any ``SessionInterrupted``.
    """


class SessionRotated(SessionGone):
    """The session's key was rotated elsewhere (by a login, say) before it could be saved."""


class SessionLocked(RedisSessionsError):
    """Another request or socket holds the lock of this session, and did so for too long.

    The middleware answers 409 where a view lets it pass.
    """


class LockLost(RedisSessionsError):
    """The lock of this session was lost before its holder was done; what was not saved is dropped.

    The middleware answers 409 where a view lets it pass.
    """


class TooManySessions(RedisSessionsError, PermissionDenied):
    """This user is signed in as often as MAX_SESSIONS_PER_USER allows.

    Django answers 403 where a view lets it pass, as for any ``PermissionDenied``.
    """
