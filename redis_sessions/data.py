"""A session's data: a mapping that decodes a value at its first use and knows its delta. No I/O."""

import logging
from collections.abc import Callable, Container, Iterator, Mapping, MutableMapping
from math import inf
from threading import RLock
from typing import Any, NamedTuple

from . import codec

logger = logging.getLogger("django.security.SuspiciousSession")

_PENDING: Any = object()  # stands for a value that nobody has asked for yet
_IMMUTABLE = (str, int, float, bool, type(None))


class Delta(NamedTuple):
    """What a store object changed since it loaded the record; payloads are not signed yet."""

    changed: dict[bytes, bytes]
    removed: list[bytes]
    replaces: bool  # every field that is not in ``changed`` goes
    assigned: dict[Any, int]

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed or self.replaces)


class SessionData(MutableMapping[Any, Any]):
    """The values of one session by top-level key.

    ``payloads`` is what the record holds, by key; nothing of it is decoded before it is used. With
    ``replaces`` the next save drops every field that is not in here, as ``clear()`` asks for.
    ``on_use()`` is called whenever a value is read, set or removed. Values whose payloads have
    ``compress_from`` bytes or more are written compressed.

    A consumer's thread may use it while its event loop saves it, or takes in what others changed:
    what concerns a value, its payload and its assignment together is done under a lock.
    """

    def __init__(
        self,
        serializer: codec.Serializer,
        payloads: Mapping[str, bytes] | None = None,
        *,
        session_id: str | None = None,
        replaces: bool = False,
        on_use: Callable[[], None] | None = None,
        compress_from: float = inf,
    ) -> None:
        self._serializer = serializer
        self._payloads: dict[str, bytes] = dict(payloads) if payloads else {}
        self._values: dict[Any, Any] = dict.fromkeys(self._payloads, _PENDING)
        self._assigned: dict[Any, int] = {}  # key -> number of the assignment
        self._assignments = 0
        self._undecodable: set[str] = set()
        self._session_id = session_id
        self._on_use = on_use
        self._lock = RLock()
        self._compress_from = compress_from
        self.replaces = replaces

    def __getitem__(self, key: Any) -> Any:
        if self._on_use is not None:
            self._on_use()
        value = self._values[key]
        if value is _PENDING:
            with self._lock:
                value = self._values[key]  # meanwhile somebody else may have
                return self._decode(key) if value is _PENDING else value
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._on_use is not None:
            self._on_use()
        with self._lock:
            self._assignments += 1
            self._assigned[key] = self._assignments
            self._values[key] = value

    def __delitem__(self, key: Any) -> None:
        with self._lock:
            self[key]  # what cannot be decoded is absent: it must stay in Redis
            del self._values[key]
            self._assigned.pop(key, None)

    def __contains__(self, key: object) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[Any]:
        return (key for key in list(self._values) if key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        known = any(value is not _PENDING for value in list(self._values.values()))
        return known or any(True for _ in self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of session {self._session_id}>"

    def _decode(self, key: str) -> Any:
        try:
            value = codec.decode(self._payloads[key], self._serializer)
        except Exception as error:  # a serializer may raise anything
            logger.warning(
                "Session %s: the value of %r cannot be decoded (%s); it reads as absent.",
                self._session_id,
                key,
                type(error).__name__,
            )
            self._undecodable.add(key)
            del self._values[key]
            raise KeyError(key) from error
        self._values[key] = value
        return value

    @property
    def stored(self) -> bool:
        """Whether the record holds data, as far as is known here."""
        return bool(self._payloads)

    @property
    def hides(self) -> bool:
        """Whether the record holds values that cannot be decoded, and read as absent."""
        return bool(self._undecodable)

    def holds_text(self, *, besides: Container[str]) -> bool:
        """Tell whether there is a text, other than the empty one. Decodes nothing."""
        for key, value in list(self._values.items()):
            if key not in besides:
                known = codec.is_text(self._payloads[key]) if value is _PENDING else value
                if known is True or (known and type(known) is str):
                    return True
        return False

    def as_stored(self) -> dict[str, bytes]:
        """Return the payloads that the record holds, as far as is known here."""
        with self._lock:
            return dict(self._payloads)

    def stores(self, key: str) -> bool:
        """Tell whether the record holds this key, as far as is known here."""
        return key in self._payloads

    def payload_after(self, key: str, delta: Delta) -> bytes | None:
        """Return what the record holds for a key once ``delta`` is stored."""
        field = key.encode()
        if field in delta.changed:
            return delta.changed[field]
        if delta.replaces or field in delta.removed:
            return None
        return self._payloads.get(key)

    def whole(self) -> Delta:
        """Return every field as a delta, for a new record."""
        with self._lock:
            assigned = dict(self._assigned)
            changed = {
                codec.field_name(key): (
                    self._payloads[key] if value is _PENDING else self._packed(key, value)
                )
                for key, value in self._values.items()
            }
            return Delta(changed, [], True, assigned)

    def delta(self) -> Delta:
        """Return what to write; raises TypeError naming the key that cannot be serialised."""
        with self._lock:
            changed = {codec.field_name(key): payload for key, payload in self._changes()}
            return Delta(changed, self._removed(), self.replaces, dict(self._assigned))

    def settle(self, delta: Delta) -> None:
        """Take ``delta`` as stored. What was changed since it was computed stays to be saved."""
        with self._lock:
            if delta.replaces:
                self._payloads.clear()
                self._undecodable.clear()
                self.replaces = False
            for field in delta.removed:
                self._payloads.pop(field.decode(), None)
            for field, payload in delta.changed.items():
                self._payloads[field.decode()] = payload
                self._undecodable.discard(field.decode())
            for key, number in delta.assigned.items():
                if self._assigned.get(key) == number:
                    del self._assigned[key]

    def rebase(self, payloads: Mapping[str, bytes]) -> set[str]:
        """Take in what the record holds now, under the changes made here; return what differs.

        What was changed here and is not saved yet stays on top: saving it comes later, so it wins.
        """
        with self._lock:
            mine = self.delta()
            news = {
                key
                for key in payloads.keys() | self._payloads.keys()
                if payloads.get(key) != self._payloads.get(key)
            }
            self._payloads = dict(payloads)
            kept = {field.decode() for field in (*mine.changed, *mine.removed)}
            for key in news - kept if not self.replaces else ():
                self._undecodable.discard(key)
                if key in payloads:
                    self._values[key] = _PENDING
                else:
                    self._values.pop(key, None)
            for key in [*self._values]:
                if codec.key_text(key) in kept and key not in self._assigned:
                    self[key] = self._values[key]  # changed in place: compared to the old record
            return news

    def changed_in_place(self) -> bool:
        """Tell whether a loaded value was mutated or removed without an assignment."""
        with self._lock:
            in_place = (key for key, _ in self._changes() if key not in self._assigned)
            return any(True for _ in in_place) or bool(self._removed())

    def _changes(self) -> Iterator[tuple[Any, bytes]]:
        """Yield key and payload of what was assigned, and of mutable values that differ now."""
        for key, value in list(self._values.items()):  # a consumer's thread may add keys
            if key in self._assigned:
                yield key, self._packed(key, value)
            elif value is not _PENDING and type(value) not in _IMMUTABLE:
                payload = self._encode(key, value)
                if self._differs(codec.key_text(key), value, payload):
                    yield key, self._compressed(payload)

    def _differs(self, key: str, value: Any, payload: bytes) -> bool:
        """Tell whether ``payload`` says something else than what is stored.

        Some serializers write the same value in several ways (pickle's memo, older versions, a
        salt), and a value that nobody changed must not overwrite another's: compare with a fresh
        round as well, and where even that is never the same, the values.
        """
        stored = codec.expand(self._payloads[key])
        if payload == stored:
            return False
        fresh = codec.decode(stored, self._serializer)
        again = codec.encode(fresh, self._serializer)
        if payload == again:
            return False
        return again == codec.encode(fresh, self._serializer) or bool(value != fresh)

    def _removed(self) -> list[bytes]:
        if self._payloads.keys() <= self._values.keys():
            return []
        kept = {codec.key_text(key) for key in list(self._values)} | self._undecodable
        return [key.encode() for key in self._payloads if key not in kept]

    def _packed(self, key: Any, value: Any) -> bytes:
        return self._compressed(self._encode(key, value))

    def _compressed(self, payload: bytes) -> bytes:
        return codec.compress(payload) if len(payload) >= self._compress_from else payload

    def _encode(self, key: Any, value: Any) -> bytes:
        try:
            return codec.encode(value, self._serializer)
        except Exception as error:  # a serializer may raise anything
            raise TypeError(
                f"The value of session key {key!r} cannot be serialised"
                f" by {type(self._serializer).__name__}: {error}"
            ) from error
