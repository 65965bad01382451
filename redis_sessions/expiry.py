"""When a session expires, and when that is to be renewed. No I/O."""

from datetime import datetime
from typing import Any

from . import operations
from .commands import Command, Outcome
from .conf import config
from .content import SessionContent
from .tokens import SessionKey


class SessionExpiry(SessionContent):
    """The expiry of a session object's record, as far as it is known here."""

    _created_at = 0  # unix seconds, as all times here
    _expiry: int | None = None
    _idle: int | None = None  # seconds; None: the site's cookie age, 0: the expiry is fixed

    @property
    def expires_in(self) -> int | None:
        """The seconds until the record expires, as far as is known here; None where it is not."""
        return None if self._expiry is None else self._expiry - operations.now()

    def _ages(self) -> tuple[int, int | None]:
        """Return the seconds to live, and the idle time to note where it is not the default."""
        expiry = self.get("_session_expiry")
        age = int(self.get_expiry_age(expiry=expiry))
        if not expiry:
            return age, None
        return age, 0 if isinstance(expiry, datetime | str) else age

    def _touch_command(self, key: SessionKey) -> Command[Outcome]:
        return operations.touch(key, self.get_session_cookie_age())

    def _due_touch(self, key: SessionKey | None) -> list[Command[Any]]:
        """Return the touch that a save without changes has to send, if it is due."""
        if key is None or self.superseded or not config().rolling:
            return []
        known, renewed = self._expiry, self._renewed()
        if known is not None and renewed is not None and renewed - known < config().TOUCH_INTERVAL:
            return []
        return [self._touch_command(key)]

    def _renewed(self) -> int | None:
        """Return when the session will expire if it is touched now."""
        idle = self.get_session_cookie_age() if self._idle is None else self._idle
        if idle <= 0:  # fixed
            return self._expiry
        return min(operations.now() + idle, self._created_at + operations.absolute_age())
