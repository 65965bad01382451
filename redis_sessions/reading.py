"""What a session object learns from its record, without any I/O."""

import logging
from collections.abc import Mapping
from typing import Any

from django.contrib.auth import SESSION_KEY

from . import operations, sealing
from .commands import Command
from .commands.records import Outcome
from .conf import config
from .data import SessionData
from .expiry import SessionExpiry
from .ownership import SessionOwnership
from .record import Record, Standing, Unreadable
from .tokens import SessionKey

logger = logging.getLogger("django.security.SuspiciousSession")


class SessionReading(SessionExpiry, SessionOwnership):
    """The record of a session object, as it was read."""

    touched = False  # reading it renewed its expiry
    writer = ""  # marks the news of its own writes, for one who listens to them

    _version: int | None = None
    written = 0  # the version that this object's last write made, whoever else wrote before it
    _stale: Mapping[bytes, bytes] = {}
    _seals = sealing.UNSEALED

    def _load_commands(self, key: SessionKey) -> list[Command[Any]]:
        touches = [self._touch_command(key)] if config().rolling else []
        return [*touches, operations.load(key)]

    def _loaded(self, key: SessionKey, replies: list[Any]) -> SessionData:
        """Return the data of the record that was read, or forget the key."""
        *touches, record = replies
        standing = operations.standing(key, record)
        self.superseded = standing is Standing.SUPERSEDED
        if self.superseded:
            return self._new_data()
        if standing is Standing.WRONG:
            return self._forget()
        self.touched = bool(touches) and touches[0].outcome is Outcome.TOUCHED
        data = self._opened(key, record)
        if self.touched:
            self._indexed = touches[0].former
        return data

    def _opened(self, key: SessionKey, record: Record) -> SessionData:
        try:
            payloads, self._stale, self._seals = sealing.opened(key, record)
        except Unreadable as reason:
            return self._unreadable(reason)
        self._know(record, payloads)
        return self._new_data(payloads)

    def _know(self, record: Record, payloads: Mapping[str, bytes]) -> None:
        """Note what a record tells besides its data."""
        self._created_at, self._version = record.created, record.version
        self._expiry, self._idle = record.expiry, record.idle
        self._indexed, self._device = record.expiry, record.device
        self._user = payloads.get(SESSION_KEY)

    def _unreadable(self, reason: Unreadable) -> SessionData:
        """Read a session that cannot be trusted as none; it stays in Redis as it is."""
        logger.warning("Session %s cannot be read: %s.", self.id, reason)
        return self._forget()

    def _forget(self) -> SessionData:
        self._session_key = None
        return self._new_data()

    def is_older(self, record: Record) -> bool:
        """Tell whether a record was read before what this object knows of it."""
        return record.version < max(self.written, self._version or 0)

    def refresh(self, record: Record) -> set[str]:
        """Take in a newer state of the record, under the changes made here; return what differs.

        Raises Unreadable, TypeError; then nothing was taken in.
        """
        modified = self.modified  # what was changed in place is compared to the old state
        payloads, stale, seals = sealing.opened(self.key or SessionKey("", ""), record)
        changed = self._at_hand().rebase(payloads)
        self.modified, self._stale, self._seals = modified, stale, seals
        self._know(record, payloads)
        self.written = 0
        return changed
