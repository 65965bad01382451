"""What follows from a write to a session: the index set right, the limit kept, signals sent."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from . import operations, roster
from .commands import Command, index
from .commands.records import Ended, Outcome
from .exceptions import TooManySessions
from .lifecycle import Save, SessionLifecycle
from .reasons import Reason
from .signals import session_created, session_ended, session_rotated
from .steps import Send, Tell, Work

_LOGIN = (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY)


class SessionConsequences(SessionLifecycle):
    """What a session object sees to, once a write of its own was done."""

    def _after_touch(self) -> Iterator[Work[None]]:
        """Yield the work that follows a read that renewed the expiry: the index is to know it."""
        commands = self._enlistings(self.id or "", self._user, self._expiry or 0)
        self._indexed = self._expiry
        if commands:
            yield _send(commands)

    def _after_create(self, save: Save, replies: list[Any]) -> Iterator[Work[None]]:
        """Yield the work that follows when this session was created."""
        if session_created.has_listeners():
            yield self._tell(session_created)
        if save.login and save.after:
            yield self._keep_limit(replies[-1])

    def _after_save(self, save: Save, replies: list[Any]) -> Iterator[Work[None]]:
        """Yield the work that follows a save; mostly none."""
        if self._emptied:
            yield from self._after_emptying(self.id, save, replies)
            return
        if save.then:
            yield _send([*save.then])
        if save.user is not None and (self._expiry or 0) > index.score(save.expiry):
            yield _send(self._enlistings(self.id or "", save.user, self._expiry or 0))
        if save.login and save.after:
            yield self._keep_limit(replies[-1])
        if save.changes_hash and self.id is not None and self.user_id is not None:
            auth_hash = save.delta.changed[HASH_SESSION_KEY.encode()]
            yield roster.end_outdated(self.user_id, self.id, auth_hash)

    def _after_emptying(
        self, session_id: str | None, save: Save, replies: list[Any]
    ) -> Iterator[Work[None]]:
        """Yield the work that follows when a session ended because it held nothing any more."""
        has_ended = bool(replies) and save.result(replies).outcome is Outcome.ENDED
        if has_ended and save.then:
            yield _send([*save.then])
        if has_ended and session_ended.has_listeners():
            user_id = self.user_id
            yield _tell(session_ended, type(self), session_id, user_id, reason=Reason.EMPTIED)

    def _after_rotation(self) -> Iterator[Work[None]]:
        """Yield the work that follows when the secret was exchanged."""
        if session_rotated.has_listeners():
            yield self._tell(session_rotated, reason=self._rotation_reason())

    def _after_end(self, session_id: str, replies: list[Any]) -> Iterator[Work[None]]:
        """Yield the work that follows when a session was deleted."""
        ended: Ended = replies[0]
        has_faded = len(replies) > 1
        if ended.outcome is Outcome.ROTATED and has_faded:  # it lives on, under another key
            yield _send(
                [operations.enlist(self.user_id or "", session_id, index.score(ended.expiry))]
            )
        if ended.outcome is not Outcome.ENDED:
            return
        user = operations.user_of(session_id, ended.user)
        user_id = self._user_text(user)
        if user_id is not None and not has_faded:
            yield _send([operations.delist(user_id, session_id)])
        if session_ended.has_listeners():
            yield _tell(session_ended, type(self), session_id, user_id, reason=Reason.LOGOUT)

    def _tell(self, signal: Any, **told: Any) -> Work[None]:
        return _tell(signal, type(self), self.id, self.user_id, **told)

    def _keep_limit(self, named: int) -> Work[None]:
        """Keep to MAX_SESSIONS_PER_USER. Raises TooManySessions, with this login taken back."""
        if not (yield from roster.keep_limit(self.user_id or "", self.id or "", named)):
            return
        data = self._at_hand()
        for key in _LOGIN:
            data.pop(key, None)
        save = self._plan_save()
        self._saved(save, (yield Send(*save.commands)))
        if save.then:
            yield Send(*save.then)
        raise TooManySessions


def _send(commands: list[Command[Any]]) -> Work[None]:
    yield Send(*commands)


def _tell(signal: Any, sender: Any, session_id: Any, user_id: Any, **told: Any) -> Work[None]:
    yield Tell(signal, sender, session_id=session_id, user_id=user_id, **told)
