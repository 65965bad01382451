"""Values sealed instead of signed: AES-256-GCM. No I/O, no settings.

The key is derived from ``SECRET_KEY`` and the secret of the session, which the server does not
store. A rotation leaves the record's values as they are, and with them the keys that open them,
wrapped under the new secret. Needs the extra ``encryption``.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

from .codec import SEALED, WRAPPED
from .tokens import SessionKey

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as error:
    raise ImportError(
        'Encrypted sessions need: pip install "django-redis-live-sessions[encryption]"'
    ) from error

_NONCE_SIZE = 12
_KEY_SIZE = 32
_CACHED = 32  # keys: what a request reads, it often saves
_PURPOSE = b"redis_sessions.aes-256-gcm."


@lru_cache(maxsize=_CACHED)
def derive(key: SessionKey, salt: bytes) -> bytes:
    """Return the key of a session's values; ``salt`` is derived from ``SECRET_KEY``."""
    kdf = HKDF(SHA256(), _KEY_SIZE, salt, _PURPOSE + key.id.encode())
    derived: bytes = kdf.derive(key.secret.encode())
    return derived


@lru_cache(maxsize=_CACHED)
def _cipher(key: SessionKey, salt: bytes) -> AESGCM:
    return AESGCM(derive(key, salt))


class Sealer:
    """Seals values of one session. Nonces are random: a key is good for 2**32 values."""

    def __init__(self, key: SessionKey, salt: bytes) -> None:
        self._id = key.id
        self._cipher = _cipher(key, salt)

    def seal(self, name: bytes, payload: bytes) -> bytes:
        """Return the bytes to store for one field: nonce, marker, and the payload encrypted."""
        nonce = os.urandom(_NONCE_SIZE)
        return nonce + SEALED + self._cipher.encrypt(nonce, payload, _place(self._id, name))

    def wrap(self, keys: Iterable[bytes]) -> bytes:
        """Return what to store for keys that some values are sealed with still."""
        return self.seal(WRAPPED, b"".join(keys))


class Opener:
    """Opens the values of one session.

    ``salts`` are of every ``SECRET_KEY``, the present one's first; ``wrapped`` is what the record
    holds of keys from before a rotation.
    """

    def __init__(self, key: SessionKey, salts: Sequence[bytes], wrapped: bytes) -> None:
        self._key, self._salts, self._wrapped = key, salts, wrapped
        self._cipher = _cipher(key, salts[0])
        self.former: list[bytes] = []  # keys from before a rotation that were needed

    def open_all(self, fields: Mapping[bytes, bytes]) -> dict[bytes, tuple[bytes, bool]]:
        """Return payloads by field, each as open() does."""
        return {name: self.open(name, stored) for name, stored in fields.items()}

    def open(self, name: bytes, stored: bytes) -> tuple[bytes, bool]:
        """Return a payload, and whether it was sealed with the key of today.

        Raises ValueError, which names the field, where no key did: truncated, edited, or from
        another place.
        """
        place = _place(self._key.id, name)
        try:
            nonce, body = stored[:_NONCE_SIZE], stored[_NONCE_SIZE + 1 :]
            return self._cipher.decrypt(nonce, body, place), True
        except (InvalidTag, ValueError):  # ValueError: too short to have a nonce
            return self._open_with_others(name, stored, place), False

    def _open_with_others(self, name: bytes, stored: bytes, place: bytes) -> bytes:
        for key in (*self._fallbacks, *self._unwrapped):
            payload = _opened(AESGCM(key), stored, place)
            if payload is not None:
                if key in self._unwrapped and key not in self.former:
                    self.former.append(key)
                return payload
        raise ValueError(f"the field {name!r}: the seal does not match")

    @cached_property
    def _fallbacks(self) -> list[bytes]:
        return [derive(self._key, salt) for salt in self._salts[1:]]

    @cached_property
    def _unwrapped(self) -> list[bytes]:
        place = _place(self._key.id, WRAPPED)
        for cipher in (self._cipher, *map(AESGCM, self._fallbacks)):
            joined = _opened(cipher, self._wrapped, place)
            if joined is not None:
                starts = range(0, len(joined), _KEY_SIZE)
                return [joined[start : start + _KEY_SIZE] for start in starts]
        return []


def _place(session_id: str, name: bytes) -> bytes:
    """Return what a sealed value is bound to: its session and its field, length included."""
    return b"%b%b%b" % (session_id.encode(), len(name).to_bytes(4), name)


def _opened(cipher: AESGCM, stored: bytes, place: bytes) -> bytes | None:
    try:
        return cipher.decrypt(stored[:_NONCE_SIZE], stored[_NONCE_SIZE + 1 :], place)
    except (InvalidTag, ValueError):
        return None
