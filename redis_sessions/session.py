"""``SESSION_ENGINE = "redis_sessions.session"``: Django's session API over Redis, sync and async.

Each method is a pair: the twin with an ``a`` in front does the same without blocking the loop.
"""

import asyncio
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.contrib.sessions.backends.base import CreateError

from . import executors, operations, pruning, steps, tokens
from .commands import Command
from .conf import config
from .data import SessionData
from .exceptions import RedisSessionsError, SessionStoreUnavailable
from .locks import SessionLocking
from .record import Unreadable

_ATTEMPTS = (
    3  # to find an id that is free: with a billion sessions the first is, but for 1 in 10**12
)
_NO_FREE_ID = "No free session id was found; the random source of this machine cannot be right."


class SessionStore(SessionLocking):
    """One session in Redis, with the whole API of Django's ``SessionBase``."""

    unavailable = False  # the server failed this object

    def load(self) -> SessionData:  # type: ignore[override]
        """Read the session: a mapping, empty where there is none; then the key is forgotten.

        Raises SessionStoreUnavailable where the server cannot tell.
        """
        key = self.key
        if key is None:
            return self._forget()
        try:
            data = self._loaded(key, self._run(*self._load_commands(key)))
        except Unreadable as reason:
            return self._unreadable(reason)
        if self.touched:
            self._follow(self._after_touch())
        return data

    async def aload(self) -> SessionData:  # type: ignore[override]
        """See load()."""
        key = self.key
        if key is None:
            return self._forget()
        try:
            data = self._loaded(key, await self._arun(*self._load_commands(key)))
        except Unreadable as reason:
            return self._unreadable(reason)
        if self.touched:
            await self._afollow(self._after_touch())
        return data

    def create(self) -> None:
        """Store the data at hand as a new session, under a new id."""
        begun = self._begin()
        for _ in range(_ATTEMPTS):
            key = tokens.make_key()
            plan = self._plan_create(key, begun)
            replies = self._run(*plan.commands)
            if plan.result(replies):
                self._created(key, plan)
                self._follow(self._after_create(plan, replies))
                return
        raise RedisSessionsError(_NO_FREE_ID)

    async def acreate(self) -> None:
        """See create()."""
        begun = self._begin()
        for _ in range(_ATTEMPTS):
            key = tokens.make_key()
            plan = self._plan_create(key, begun)
            replies = await self._arun(*plan.commands)
            if plan.result(replies):
                self._created(key, plan)
                await self._afollow(self._after_create(plan, replies))
                return
        raise RedisSessionsError(_NO_FREE_ID)

    def save(self, must_create: bool = False) -> None:
        """Write what this object changed, and nothing else.

        ``must_create`` begins a new session, under a new key even where one was presented. Raises
        CreateError where that one exists, SessionGone (an UpdateError) where the session ended or
        was rotated elsewhere, TypeError for a value that cannot be serialised. Then nothing was
        stored.
        """
        if must_create and self.exists(self.session_key):
            raise CreateError
        if must_create or self._begins_anew():
            self.create()
            return
        plan = self._plan_save()
        if plan.commands:
            replies = self._run(*plan.commands)
            self._saved(plan, replies)
            self._follow(self._after_save(plan, replies))

    async def asave(self, must_create: bool = False) -> None:
        """See save()."""
        if must_create and await self.aexists(self.session_key):
            raise CreateError
        async with self._lock:  # a consumer's tasks may save at once: the later has to come later
            if must_create or self._begins_anew():
                await self.acreate()
                return
            plan = self._plan_save()
            if plan.commands:
                replies = await self._arun(*plan.commands)
                self._saved(plan, replies)
                await self._afollow(self._after_save(plan, replies))

    def end_obsolete(self) -> None:
        """End this session if it is_obsolete(), unless others have written to it since.

        Afterwards this object is as good as new, or holds what others wrote.
        """
        if self.is_obsolete():
            plan, name = self._plan_end(), self.id
            replies = self._run(*plan.commands) if plan.commands else []
            self._obsolete_ended(plan, replies)
            self._follow(self._after_emptying(name, plan, replies))

    async def aend_obsolete(self) -> None:
        """See end_obsolete()."""
        if self.is_obsolete():
            plan, name = self._plan_end(), self.id
            replies = await self._arun(*plan.commands) if plan.commands else []
            self._obsolete_ended(plan, replies)
            await self._afollow(self._after_emptying(name, plan, replies))

    @property
    def is_saving(self) -> bool:
        """Whether asave() is under way."""
        return self._lock.locked()

    async def saved(self) -> None:
        """Wait for an asave() that is under way."""
        async with self._lock:
            pass

    @cached_property
    def _lock(self) -> asyncio.Lock:
        return asyncio.Lock()

    def cycle_key(self) -> None:
        """Rotate: exchange the secret and keep id and data. Raises SessionGone as save() does."""
        self._get_session()
        key = self._rotatable()
        if key is not None:
            fresh = tokens.rotate_key(key)
            if self._rotated(fresh, self._run(self._rotate_command(key, fresh))[0]):
                self._follow(self._after_rotation())
                return
        self.create()

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await self._aget_session()
        async with self._lock:  # a save under way proves its right with the former secret
            key = self._rotatable()
            if key is not None:
                fresh = tokens.rotate_key(key)
                if self._rotated(fresh, (await self._arun(self._rotate_command(key, fresh)))[0]):
                    await self._afollow(self._after_rotation())
                    return
            await self.acreate()

    def exists(self, session_key: str | None) -> bool:
        """Tell whether this is the present key of a session."""
        key = tokens.split_key(session_key)
        return key is not None and operations.holds(
            key, self._run(operations.stored_digest(key))[0]
        )

    async def aexists(self, session_key: str | None) -> bool:
        """See exists()."""
        key = tokens.split_key(session_key)
        return key is not None and operations.holds(
            key, (await self._arun(operations.stored_digest(key)))[0]
        )

    def delete(self, session_key: str | None = None) -> None:
        """End the session with this key, or else this session."""
        key = tokens.split_key(session_key or self.session_key)
        if key is not None:
            replies = self._run(*self._end_commands(key))
            self._follow(self._after_end(key.id, replies))
        self._deleted(session_key)

    async def adelete(self, session_key: str | None = None) -> None:
        """See delete()."""
        key = tokens.split_key(session_key or self.session_key)
        async with self._lock:  # meanwhile it is not another's doing that the record is gone
            if key is not None:
                replies = await self._arun(*self._end_commands(key))
                await self._afollow(self._after_end(key.id, replies))
            self._deleted(session_key)

    def _get_session(self, no_load: bool = False) -> SessionData:
        self.accessed = True
        if "_session_cache" not in self.__dict__:
            unread = no_load or self.session_key is None
            self._session_cache = self._new_data() if unread else self.load()
        return self._session_cache

    async def _aget_session(self, no_load: bool = False) -> SessionData:
        self.accessed = True
        if "_session_cache" not in self.__dict__:
            unread = no_load or self.session_key is None
            self._session_cache = self._new_data() if unread else await self.aload()
        return self._session_cache

    _session = property(_get_session)

    def _run(self, *batch: Command[Any]) -> list[Any]:
        try:
            return executors.run(config().alias, *batch, replicas=config().WAIT_REPLICAS)
        except SessionStoreUnavailable:
            self.unavailable = True
            raise

    async def _arun(self, *batch: Command[Any]) -> list[Any]:
        try:
            return await executors.arun(config().alias, *batch, replicas=config().WAIT_REPLICAS)
        except SessionStoreUnavailable:
            self.unavailable = True
            raise

    def _follow(self, consequences: Iterator[steps.Work[None]]) -> None:
        for work in consequences:
            steps.run(work)

    async def _afollow(self, consequences: Iterator[steps.Work[None]]) -> None:
        for work in consequences:
            await steps.arun(work)

    @classmethod
    def clear_expired(cls) -> None:
        """Prune the users' indexes; the server itself removes a session when it expires.

        Takes some seconds where an index names what is not there: it looks twice.
        """
        steps.run(pruning.prune())

    @classmethod
    async def aclear_expired(cls) -> None:
        """See clear_expired()."""
        await steps.arun(pruning.prune())

    # Django's middleware asks these before it saves. A session that was emptied expires now, so
    # that the cookie goes with the record.

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return the seconds until this session expires; 0 once it was emptied."""
        return 0 if not kwargs and self._has_emptied() else super().get_expiry_age(**kwargs)

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        """See get_expiry_age()."""
        return 0 if not kwargs and self._has_emptied() else await super().aget_expiry_age(**kwargs)

    def get_expire_at_browser_close(self) -> bool:
        """Tell whether the cookie has no age; False once the session was emptied."""
        return not self._has_emptied() and super().get_expire_at_browser_close()

    async def aget_expire_at_browser_close(self) -> bool:
        """See get_expire_at_browser_close()."""
        return not self._has_emptied() and await super().aget_expire_at_browser_close()
