"""The session without its I/O: which commands an operation needs, and what their replies change.

Both halves of ``SessionStore`` stand on this. Nothing here waits, reads or writes.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY

from . import operations
from .commands import Command, Outcome, Result
from .conf import config
from .data import Delta, SessionData
from .exceptions import SessionGone, SessionRotated
from .expiry import SessionExpiry
from .reasons import Reason
from .record import Record, Standing, Unreadable
from .tokens import SessionKey

logger = logging.getLogger("django.security.SuspiciousSession")


class Save(NamedTuple):
    """What one save sends, and what it will have stored."""

    commands: list[Command[Any]]
    data: SessionData
    delta: Delta
    ends: bool = False  # then it is no conflict to find the record gone: it may be sent twice


class SessionLifecycle(SessionExpiry):
    """What becomes of a session object and its record."""

    touched = False  # reading it renewed its expiry
    began = False  # this object created its record

    writer = ""  # marks the news of its own writes, for one who listens to them

    _ended = False
    _emptied = False  # ended by a save that had nothing left to keep
    _version: int | None = None
    written = 0  # the version that this object's last write made, whoever else wrote before it
    _stale: Mapping[bytes, bytes] = {}

    # Load

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
        self.touched = any(touch.outcome is Outcome.TOUCHED for touch in touches)
        return self._opened(key, record)

    def _opened(self, key: SessionKey, record: Record) -> SessionData:
        try:
            payloads, self._stale = record.unseal(key.id, config().signing_keys)
        except Unreadable as reason:
            return self._unreadable(reason)
        self._know(record)
        return self._new_data(payloads)

    def _know(self, record: Record) -> None:
        """Note what the meta fields of a record tell."""
        self._created_at, self._version = record.created, record.version
        self._expiry, self._idle = record.expiry, record.idle

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
        payloads, stale = record.unseal(self.id or "", config().signing_keys)
        changed = self._at_hand().rebase(payloads)
        self.modified, self._stale = modified, stale
        self._know(record)
        self.written = 0
        return changed

    # Create

    def _begin(self) -> Save:
        """Return what a new record will hold: the data at hand, without loading."""
        self.accessed = True
        if "_session_cache" not in self.__dict__:
            self._session_cache = self._new_data()
        data = self._at_hand()
        return Save([], data, data.whole())

    def _create_command(self, key: SessionKey, delta: Delta) -> Command[bool]:
        if delta.changed:
            age, self._idle = self._ages()
        else:
            age = self._idle = min(self._default_age(), config().EMPTY_AGE)
        self._created_at = operations.now()
        self._expiry = self._created_at + min(age, operations.absolute_age())
        return operations.create(key, self._created_at, self._expiry, self._idle, delta)

    def _created(self, key: SessionKey, save: Save) -> None:
        self._session_key = str(key)
        save.data.settle(save.delta)
        self._version, self._stale = 1, {}
        self._ended = self._emptied = self.superseded = False
        self.began = self.modified = True

    # Save

    def _begins_anew(self) -> bool:
        """Tell whether a save creates a record: there is no key, or this object emptied its own."""
        return self.key is None or (self._emptied and not self.is_obsolete())

    def _plan_save(self) -> Save:
        """Return what a save has to send, perhaps nothing. Raises SessionGone, TypeError."""
        data, key = self._at_hand(), self.key
        delta = data.delta()
        if self._emptied:
            return Save([], data, delta)
        if self._ended:
            raise SessionGone
        if key is None or not delta:
            return Save(self._due_touch(key), data, delta)
        return self._plan_delta(key, data, delta, ends=self._has_emptied())

    def _plan_end(self) -> Save:
        """Return what ends a session that holds nothing, unless others have written to it since."""
        data, key = self._at_hand(), self.key
        delta = data.delta()
        if key is None:
            return Save([], data, delta)
        return self._plan_delta(key, data, delta, ends=True)

    def _plan_delta(self, key: SessionKey, data: SessionData, delta: Delta, *, ends: bool) -> Save:
        if self.superseded:
            raise SessionRotated
        if ends and delta.replaces:
            return Save([operations.end(key, Reason.EMPTIED, self.writer)], data, delta, ends=True)
        age, idle = self._life(data, delta)
        ends_at = self._version if ends else None
        save = operations.save(
            key, age, idle, delta, empty=not data, ends_at=ends_at, writer=self.writer
        )
        batch: list[Command[Any]] = [*operations.renew(key, self._stale, delta), save]
        return Save(batch, data, delta, ends)

    def _saved(self, save: Save, replies: list[Any]) -> None:
        """Take in what became of a save. Raises SessionGone."""
        result: Result = replies[-1]
        if result.outcome is Outcome.ENDED or (result.outcome is Outcome.GONE and save.ends):
            self._ended = self._emptied = True
            return
        _insist(result.outcome)
        self._expiry = result.expiry
        if save.delta:
            save.data.settle(save.delta)
            self._stale = {}
            self._advance(result, knows_all=save.delta.replaces)

    def _advance(self, result: Result, *, knows_all: bool = False) -> None:
        """Take in a new version, unless others wrote in between: what they wrote is not known."""
        self.written = result.version
        if knows_all or result.version == (self._version or 0) + 1:
            self._version = result.version

    def _obsolete_ended(self, save: Save, replies: list[Any]) -> None:
        """Take in what became of the end of a session that held nothing. Raises SessionRotated."""
        outcome = replies[-1].outcome if replies else Outcome.GONE
        if outcome is Outcome.DONE:  # others have written to it
            self._saved(save, replies)
        elif outcome is Outcome.ROTATED and not save.delta:
            self.superseded = True
        elif outcome is Outcome.ROTATED:
            raise SessionRotated
        else:
            self._session_cache = self._forget()
            self._ended = self._emptied = False

    # Rotate, end

    def _rotatable(self) -> SessionKey | None:
        """Return the key to rotate; None where a new session is to be begun. Raises SessionGone."""
        if self.superseded:
            raise SessionRotated
        return self.key

    def _rotate_command(self, key: SessionKey, fresh: SessionKey) -> Command[Result]:
        """Return what exchanges the secret: for a login, or for one who is logged in already."""
        reason = Reason.RENEWED if SESSION_KEY in self._at_hand() else Reason.LOGIN
        return operations.rotate(key, fresh, reason, self.writer)

    def _rotated(self, fresh: SessionKey, result: Result) -> bool:
        """Take in what became of a rotation; False where a new session is to be begun instead.

        An anonymous session may have expired while its visitor filled in the login form; that of
        somebody who was logged in must not live again. Raises SessionGone.
        """
        if result.outcome is Outcome.GONE and SESSION_KEY not in self._at_hand():
            return False
        _insist(result.outcome)
        self._advance(result)
        self._session_key = str(fresh)
        self.modified = True
        return True

    def _deleted(self, session_key: str | None) -> None:
        """Note that a session was ended, if it is this one."""
        self._ended = self._ended or session_key in {None, self.session_key}


def _insist(outcome: Outcome) -> None:
    if outcome is Outcome.GONE:
        raise SessionGone
    if outcome is Outcome.ROTATED:
        raise SessionRotated
