"""Time in the tests: a later hour for this process, and how long a record has to live."""

import time

import redis
import time_machine

from redis_sessions.session import SessionStore
from tests.conftest import record_of

HOUR = 3600
FORTNIGHT = 14 * 24 * HOUR


def later(seconds: float) -> time_machine.travel:
    """Move the clock of this process; the server's stays."""
    return time_machine.travel(time.time() + seconds, tick=True)


def life(client: redis.Redis, session: SessionStore) -> int:
    """Return the seconds that the record lives, by the server's clock and by its own note alike."""
    expiry = client.expiretime(record_of(session))
    assert int(client.hget(record_of(session), "\0x")) == expiry
    return expiry - client.time()[0]


class About:
    """Equals a life of so many seconds, less a little that the test itself takes."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and self.seconds - 20 <= other <= self.seconds + 1

    def __hash__(self) -> int:
        return hash(self.seconds)

    def __repr__(self) -> str:
        return f"about {self.seconds}"
