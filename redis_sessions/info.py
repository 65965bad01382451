"""What a user is told of a session: never its data, never its secret."""

from dataclasses import dataclass
from datetime import UTC, datetime

from . import devices
from .devices import Device
from .record import Facts


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
            _time(facts.created),
            _time(facts.login / 1_000_000),
            _time(facts.seen),
            _time(expires),
            devices.unpack(facts.device),
            sockets,
            is_current,
        )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
