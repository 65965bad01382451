"""The session without its I/O: which commands an operation needs, and what their replies change.

Both halves of ``SessionStore`` stand on this. Nothing here waits, reads or writes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY

from . import operations, sealing
from .commands import Command, locks
from .commands.records import Outcome, Result
from .conf import config
from .data import Delta, SessionData
from .exceptions import LockLost, SessionGone, SessionRotated
from .ownership import DEVICE, LOGIN_FIELDS, changes_hash, user_after
from .reading import SessionReading
from .reasons import Reason
from .tokens import SessionKey


class Save(NamedTuple):
    """What one save sends, and what it will have stored."""

    data: SessionData
    delta: Delta
    command: Command[Any] | None = None
    before: tuple[Command[Any], ...] = ()  # what is sent with it, ahead of it and behind it
    after: tuple[Command[Any], ...] = ()
    then: tuple[Command[Any], ...] = ()  # what is sent once it is done
    ends: bool = False  # then it is no conflict to find the record gone: it may be sent twice
    expiry: int = 0  # as the index was told
    meta: Mapping[bytes, bytes] = operations.EMPTY  # fields that the data does not know
    user: bytes | None = None  # payload of ``_auth_user_id`` in the record then
    login: bool = False
    changes_hash: bool = False  # by which Django knows the password

    @property
    def commands(self) -> list[Command[Any]]:
        """All that is sent, together."""
        main = () if self.command is None else (self.command,)
        return [*self.before, *main, *self.after]

    def result(self, replies: list[Any]) -> Any:
        """Return the reply to the command itself."""
        return replies[len(self.before)]


class SessionLifecycle(SessionReading):
    """What becomes of a session object and its record."""

    began = False  # this object created its record

    _tried: SessionKey | None = None  # under which a record was sent that may not be there
    _ended = False
    _emptied = False  # ended by a save that had nothing left to keep
    _holder: str | None = None  # as whom this object holds the lock

    # Create

    def _begin(self) -> Save:
        """Return what a new record will hold: the data at hand, without loading."""
        self.accessed = True
        if "_session_cache" not in self.__dict__:
            self._session_cache = self._new_data()
        data = self._at_hand()
        return Save(data, data.whole())

    def _plan_create(self, key: SessionKey, begun: Save) -> Save:
        """Return what stores a new record under ``key``."""
        data, delta = begun.data, begun.delta
        if delta.changed:
            age, idle = self._ages()
        else:
            age = idle = min(self._default_age(), config().EMPTY_AGE)
        now, user = operations.now(), user_after(data, delta)
        expiry, login = now + min(age, operations.absolute_age()), user is not None
        meta = self._device_fields(user, login=login)
        command = operations.create(key, now, expiry, idle, delta, meta=meta, login=login)
        self._created_at, self._expiry, self._idle = now, expiry, idle
        # What a reply was lost of may be there, under a key that nobody has.
        orphan = [] if self._tried is None else [operations.end(self._tried)]
        before = (*orphan, *self._enlistings(key.id, user, expiry, always=True))
        self._tried = key
        return Save(
            data,
            delta,
            command,
            before,
            self._counts(user, login=login),
            expiry=expiry,
            meta=meta,
            user=user,
            login=login,
        )

    def _created(self, key: SessionKey, save: Save) -> None:
        self._session_key, self._tried = str(key), None
        save.data.settle(save.delta)
        self._version, self._stale, self._seals = 1, {}, sealing.UNSEALED
        self._user, self._indexed = save.user, save.expiry
        self._device = save.meta.get(DEVICE, b"")
        self._holder = None  # of the lock of another record
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
            return Save(data, delta)
        if self._ended:
            raise SessionGone
        if key is None or not delta:
            return self._plan_touch(key, Save(data, delta, user=self._user))
        plan = self._plan_delta(key, data, delta, ends=self._has_emptied())
        if plan.command is None or self._holder is None:
            return plan
        return plan._replace(command=locks.fenced(plan.command, self._holder))

    def _plan_touch(self, key: SessionKey | None, unchanged: Save) -> Save:
        """Return what a save without changes has to send: the touch that is due, and the index."""
        if key is None or self.superseded:
            return unchanged
        touch = self._due_touch(key)
        renewed = self._renewed() if touch else self._expiry or 0
        before = (*self._enlistings(key.id, self._user, renewed),)
        return unchanged._replace(command=touch, before=before, expiry=renewed)

    def _plan_end(self) -> Save:
        """Return what ends a session that holds nothing, unless others have written to it since."""
        data, key = self._at_hand(), self.key
        delta = data.delta()
        if key is None:
            return Save(data, delta)
        return self._plan_delta(key, data, delta, ends=True)

    def _plan_delta(self, key: SessionKey, data: SessionData, delta: Delta, *, ends: bool) -> Save:
        if self.superseded:
            raise SessionRotated
        user = user_after(data, delta)
        then = (*self._delistings(key.id, user),)
        if ends and delta.replaces:
            end = operations.end(key, Reason.EMPTIED, self.writer)
            return Save(data, delta, end, then=then, ends=True)
        age, idle = self._life(data, delta)
        login = user is not None and SESSION_KEY.encode() in delta.changed
        meta = self._device_fields(user, login=login)
        had_user = self._user is not None or delta.replaces  # who clears it may not have read it
        forgotten = LOGIN_FIELDS if user is None and had_user else ()
        save = operations.save(
            key,
            age,
            idle,
            delta,
            empty=not data,
            ends_at=self._version if ends else None,
            writer=self.writer,
            meta=meta,
            forgotten=forgotten,
            login=login,
        )
        expiry = self._foreseen(age, idle)
        before = (
            *self._enlistings(key.id, user, expiry, always=login),
            *operations.renew(key, self._stale, delta, self._seals),
        )
        return Save(
            data,
            delta,
            save,
            before,
            self._counts(user, login=login),
            then,
            ends=ends,
            expiry=expiry,
            meta=meta,
            user=user,
            login=login,
            changes_hash=user == self._user and changes_hash(data, delta),
        )

    def _saved(self, save: Save, replies: list[Any]) -> None:
        """Take in what became of a save. Raises SessionGone, LockLost."""
        if save.command is None:
            self._indexed = save.expiry
            return
        result: Result = save.result(replies)
        if result.outcome is Outcome.ENDED or (result.outcome is Outcome.GONE and save.ends):
            self._ended = self._emptied = True
            return
        _insist(result.outcome)
        self._expiry = result.expiry
        self._indexed = save.expiry
        if save.delta:
            save.data.settle(save.delta)
            self._stale, self._user = {}, save.user
            self._seals = self._seals.after_save()
            self._device = save.meta.get(DEVICE, self._device)
            self._advance(result, knows_all=save.delta.replaces)

    def _advance(self, result: Result, *, knows_all: bool = False) -> None:
        """Take in a new version, unless others wrote in between: what they wrote is not known."""
        self.written = result.version
        if knows_all or result.version == (self._version or 0) + 1:
            self._version = result.version

    def _obsolete_ended(self, save: Save, replies: list[Any]) -> None:
        """Take in what became of the end of a session that held nothing. Raises SessionRotated."""
        outcome = save.result(replies).outcome if replies else Outcome.GONE
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

    def _rotation_reason(self) -> Reason:
        """Tell whether a rotation is for a login, or for one who is logged in already."""
        return Reason.RENEWED if SESSION_KEY in self._at_hand() else Reason.LOGIN

    def _rotate_command(self, key: SessionKey, fresh: SessionKey) -> Command[Result]:
        """Return what exchanges the secret."""
        formers = sealing.formers(key, self._seals)
        return operations.rotate(key, fresh, self._rotation_reason(), self.writer, formers)

    def _rotated(self, fresh: SessionKey, result: Result) -> bool:
        """Take in what became of a rotation; False where a new session is to be begun instead.

        An anonymous session may have expired while its visitor filled in the login form; that of
        somebody who was logged in must not live again. Raises SessionGone.
        """
        if result.outcome is Outcome.GONE and SESSION_KEY not in self._at_hand():
            return False
        _insist(result.outcome)
        self._advance(result)
        if self.key is not None:
            self._seals = self._seals.after_rotation(sealing.formers(self.key, self._seals))
        self._session_key = str(fresh)
        self.modified = True
        return True

    def _end_commands(self, key: SessionKey) -> list[Command[Any]]:
        """Return what ends the session with this key, and has its user's index forget it soon."""
        end = operations.end(key, writer=self.writer)
        if self._user is None or key.id != self.id:
            return [end]
        return [end, operations.fade(self.user_id or "", key.id)]

    def _deleted(self, session_key: str | None) -> None:
        """Note that a session was ended, if it is this one."""
        self._ended = self._ended or session_key in {None, self.session_key}
        if self._ended and self.on_use is not None:
            self.on_use()


def _insist(outcome: Outcome) -> None:
    if outcome is Outcome.LOCKED:
        raise LockLost
    if outcome is Outcome.GONE:
        raise SessionGone
    if outcome is Outcome.ROTATED:
        raise SessionRotated
