"""What a user is told of a session: never its data, never its secret."""

from dataclasses import dataclass
from datetime import UTC, datetime

from . import devices
from .devices import Device
from .record import Facts

# A day from what a calendar has, so that every time zone can show them.
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session of a user. Times are aware datetimes in UTC."""

    id: str
    created: datetime
    logged_in: datetime
    last_seen: datetime  # when it was last written or renewed
    expires: datetime
    device: Device  # as noted at the login, or since
    sockets: int = 0  # how many are open
    is_current: bool = False

    @property
    def ip(self) -> str:
        """The address it was used from; a network where the site truncates; empty if not noted."""
        return self.device.ip

    @property
    def user_agent(self) -> str:
        """What the browser calls itself, 512 characters at most. Escape it."""
        return self.device.user_agent

    @classmethod
    def of(
        cls, session_id: str, facts: Facts, *, expires: int, sockets: int, is_current: bool
    ) -> "SessionInfo":
        """Make one of what was read; ``expires`` is unix seconds."""
        return cls(
            session_id,
            moment(facts.created),
            moment(facts.login / 1_000_000),
            moment(facts.seen),
            moment(expires),
            devices.unpack(facts.device),
            sockets,
            is_current,
        )


def moment(seconds: float) -> datetime:
    """Return a time, from unix seconds; the first or last of a calendar for what it lacks.

    No one has signed the times in a record: who can write to the server may have put any number.
    """
    if not _FIRST.timestamp() <= seconds <= _LAST.timestamp():
        return _FIRST if seconds < 0 else _LAST
    return datetime.fromtimestamp(seconds, UTC)
