"""When a session expires, and when that is to be renewed. No I/O."""

from datetime import datetime

from . import operations
from .commands import Command
from .commands.records import FOREVER, KEEP, Result
from .conf import config
from .content import SessionContent
from .data import Delta, SessionData
from .tokens import SessionKey

_EXPIRY = b"_session_expiry"  # the field in which Django keeps what set_expiry() was given


class SessionExpiry(SessionContent):
    """The expiry of a session object's record, as far as it is known here."""

    _created_at: int | None = None  # unix seconds, as all times here
    _expiry: int | None = None
    _idle: int | None = None  # seconds; None: the site's cookie age, 0: the expiry is fixed

    @property
    def expires_in(self) -> int | None:
        """The seconds until the record expires, as far as is known here; None where it is not."""
        return None if self._expiry is None else self._expiry - operations.now()

    def _default_age(self) -> int:
        """Return the seconds to live where the session itself says nothing."""
        return int(self.get_session_cookie_age())

    def _ages(self) -> tuple[int, int | None]:
        """Return the seconds to live, and the idle time to note where it is not the default."""
        expiry = self.get("_session_expiry")
        if not expiry:
            return min(self._default_age(), FOREVER), None
        age = min(int(self.get_expiry_age(expiry=expiry)), FOREVER)
        return age, 0 if isinstance(expiry, datetime | str) else age

    def _life(self, data: SessionData, delta: Delta) -> tuple[int, int | str | None]:
        """Return age and idle time for a save: what others have set stays, if this one set none.

        A record that held nothing had a short life of its own, which ends with the first data.
        """
        age, idle = self._ages()
        written = _EXPIRY in delta.changed or _EXPIRY in delta.removed
        if written or delta.replaces or not data.stored:
            self._idle = idle
            return age, idle
        return (age if idle is None else self._default_age()), KEEP

    def _touch_command(self, key: SessionKey) -> Command[Result]:
        return operations.touch(key, self._default_age())

    def _due_touch(self, key: SessionKey) -> Command[Result] | None:
        """Return the touch that a save without changes has to send, if it is due."""
        if not config().rolling or self._idle == 0:
            return None
        if self._expiry is not None and self._renewed() - self._expiry < config().TOUCH_INTERVAL:
            return None
        return self._touch_command(key)

    def _renewed(self) -> int:
        """Return what the expiry will be after a touch, as far as is known here."""
        if self._idle == 0:  # fixed
            return self._expiry or 0
        idle = self._default_age() if self._idle is None else self._idle
        return self._capped(operations.now() + idle)

    def _foreseen(self, age: int, idle: int | str | None) -> int:
        """Return what the expiry will be after a save with these, as far as is known here."""
        if idle == KEEP and self._idle is not None:
            return self._renewed()
        return self._capped(operations.now() + age)

    def _capped(self, expiry: int) -> int:
        if self._created_at is None:
            return expiry
        return min(expiry, self._created_at + operations.absolute_age())
