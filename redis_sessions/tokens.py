"""Session keys: make, split, digest. No I/O and no settings: keys and ids are arguments.

A session key is what the cookie holds: an id, which names the session for its whole life and may be
shown, followed by a secret, which proves the right to use it and is stored as a keyed digest only.
"""

import hmac
import os
import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

ID_LENGTH = 14  # 72 bits: names
SECRET_LENGTH = 26  # 134 bits: proves. OWASP asks for 64 bits at least, ASVS 5.0 (7.2.3) for 128.
DIGEST_SIZE = 16

_ALPHABET = b"0123456789abcdefghijklmnopqrstuvwxyz"
_KEY_PATTERN = re.compile(rf"[0-9a-z]{{{ID_LENGTH + SECRET_LENGTH}}}", re.ASCII)
_ID_PATTERN = re.compile(rf"[0-9a-z]{{{ID_LENGTH}}}", re.ASCII)
# Bytes from 252 up are dropped, since 252 is the largest multiple of 36: no letter is likelier.
_LETTERS = bytes(_ALPHABET[byte % 36] for byte in range(256))
_DROPPED = bytes(range(252, 256))


class SessionKey(NamedTuple):
    """A session key in its two parts. ``str()`` joins them to what the cookie holds."""

    id: str
    secret: str

    def __str__(self) -> str:
        return self.id + self.secret

    def __repr__(self) -> str:
        return f"SessionKey(id={self.id!r}, secret='…')"


def random_text(length: int) -> str:
    """Return ``length`` random characters of ``[0-9a-z]``, 5.17 bits each."""
    text = b""
    while len(text) < length:
        text += os.urandom(length + 16).translate(_LETTERS, _DROPPED)
    return text[:length].decode("ascii")


def make_key() -> SessionKey:
    """Make the key of a new session."""
    text = random_text(ID_LENGTH + SECRET_LENGTH)
    return SessionKey(text[:ID_LENGTH], text[ID_LENGTH:])


def rotate_key(key: SessionKey) -> SessionKey:
    """Make a key with the same id and a new secret."""
    return SessionKey(key.id, random_text(SECRET_LENGTH))


def is_id(text: object) -> bool:
    """Tell whether something could be the id of a session."""
    return isinstance(text, str) and _ID_PATTERN.fullmatch(text) is not None


def split_key(text: str | None) -> SessionKey | None:
    """Split what a cookie holds; None unless it is 40 characters of ``[0-9a-z]``."""
    if text is None or not _KEY_PATTERN.fullmatch(text):
        return None
    return SessionKey(text[:ID_LENGTH], text[ID_LENGTH:])


def derive_key(secret_key: bytes, purpose: bytes) -> bytes:
    """Derive the 32-byte key for one purpose from ``SECRET_KEY`` (HMAC-SHA256 as the PRF)."""
    return hmac.digest(secret_key, b"redis_sessions." + purpose, "sha256")


def digest(key: SessionKey, digest_key: bytes) -> bytes:
    """Return the 16 bytes that are stored in place of the secret, bound to the id."""
    state = _keyed(digest_key).copy()
    state.update((key.id + key.secret).encode())
    stored: bytes = state.digest()
    return stored


@lru_cache(maxsize=16)
def _keyed(digest_key: bytes) -> Any:
    """Return the state after the key, to be copied: see codec."""
    return blake2b(digest_size=DIGEST_SIZE, key=digest_key)


def among(stored: bytes, digests: Iterable[bytes]) -> bool:
    """Tell whether a stored digest is one of ``digests``, in a time that tells nothing else."""
    found = False
    for candidate in digests:
        found |= hmac.compare_digest(stored, candidate)
    return found
