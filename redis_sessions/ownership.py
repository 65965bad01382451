"""Whose session this is, and from where: what the index and the record note of a login. No I/O."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY

from . import codec, devices, operations
from .commands import Command, index
from .conf import config
from .content import SessionContent
from .data import Delta, SessionData
from .devices import Device

DEVICE = b"\0d"  # the field of the record
LOGIN_FIELDS = (DEVICE, b"\0l", b"\0s")  # what a record notes of a login


class SessionOwnership(SessionContent):
    """The user of a session object's record, as it is stored, and the device at hand."""

    meta: Mapping[str, Any] | None = None  # what a request tells of its client, as ``request.META``

    _user: bytes | None = None  # payload of ``_auth_user_id`` in the record
    _indexed: int | None = None  # the expiry of which the user's index knows, unix seconds
    _device = b""  # as packed in the record

    @property
    def user_id(self) -> str | None:
        """``_auth_user_id`` as the record holds it, as far as is known here. No I/O."""
        return self._user_text(self._user)

    @property
    def device(self) -> Device:
        """Where this session was used from when that was noted last."""
        return devices.unpack(self._device)

    def _user_text(self, payload: bytes | None) -> str | None:
        return None if payload is None else str(codec.decode(payload, self.serializer()))

    def _enlistings(
        self, session_id: str, user: bytes | None, expiry: int, *, always: bool = False
    ) -> list[Command[Any]]:
        """Return what has the user's index name a session that goes on until ``expiry``.

        Nothing, unless ``always``, where the index names it for so long already.
        """
        score = index.score(expiry)
        is_known = user == self._user and self._indexed is not None
        if user is None or (is_known and score <= index.score(self._indexed or 0) and not always):
            return []
        return [operations.enlist(self._user_text(user) or "", session_id, score)]

    def _counts(self, user: bytes | None, *, login: bool) -> tuple[Command[int], ...]:
        """Return what tells, behind a login, how many sessions the user has with it."""
        if not login or config().MAX_SESSIONS_PER_USER is None:
            return ()
        return (operations.count_listed(self._user_text(user) or ""),)

    def _delistings(self, session_id: str, user: bytes | None) -> list[Command[Any]]:
        """Return what has the former user's index forget a session that becomes ``user``'s."""
        if self._user is None or user == self._user:
            return []
        return [operations.delist(self._user_text(self._user) or "", session_id)]

    @cached_property
    def _device_here(self) -> Device:
        """Where the request comes from, as far as the site wants to know."""
        if self.meta is None or config().DEVICES == "off":
            return Device()
        ip = devices.client_ip(self.meta, config().trusted_proxies)
        if config().DEVICES == "truncated":
            ip = devices.truncated(ip)
        return Device(ip, str(self.meta.get("HTTP_USER_AGENT", "")))

    def _device_fields(self, user: bytes | None, *, login: bool) -> dict[bytes, bytes]:
        """Return what a write notes of the device: at a login, and when it changed."""
        if user is None or self.meta is None:
            return {}
        now = operations.now()
        if not login and devices.is_fresh(self._device, now, config().TOUCH_INTERVAL):
            return {}
        device = self._device_here
        if device == Device() or not (login or devices.differs(device, self._device)):
            return {}
        return {DEVICE: devices.pack(device, now)}


def user_after(data: SessionData, delta: Delta) -> bytes | None:
    """Return the payload of ``_auth_user_id`` that a record holds once a delta is stored."""
    return data.payload_after(SESSION_KEY, delta)


def changes_hash(data: SessionData, delta: Delta) -> bool:
    """Tell whether a delta exchanges the hash by which Django knows the password."""
    return data.stores(HASH_SESSION_KEY) and HASH_SESSION_KEY.encode() in delta.changed
