"""A session's values as signed bytes and back. No I/O, no settings, no names of Redis keys.

A stored value is a 12-byte signature followed by a payload. The payload is a ``str`` as bare UTF-8,
or a marker byte below 0x20 and what it announces (see docs/storage).
"""

import hmac
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Protocol

SIGNATURE_SIZE = 12
SERIALIZED = b"\x00"
HEX = b"\x01"
COMPRESSED = b"\x02"
SEALED = b"\x03"  # behind a nonce that is as long as a signature
WRAPPED = b"\0e"  # the field of a record that holds keys of what is sealed
SEAL_SIZE = SIGNATURE_SIZE + 1 + 16  # with the marker, and the tag at the end
_FIRST_PLAIN = 0x20
_SPACE = bytes([_FIRST_PLAIN])
# Shorter hexadecimal text stays readable in redis-cli; a digest is worth halving.
_HEX_PATTERN = re.compile(r"(?:[0-9a-f]{2}){16,}", re.ASCII)


class Serializer(Protocol):
    """What ``SESSION_SERIALIZER`` makes, as in ``django.core.signing``."""

    def dumps(self, obj: Any) -> bytes: ...
    def loads(self, data: bytes) -> Any: ...


def encode(value: Any, serializer: Serializer) -> bytes:
    """Return the payload that stands for ``value``."""
    if type(value) is str:
        payload = _encode_text(value)
        if payload is not None:
            return payload
    return SERIALIZED + serializer.dumps(value)


def _encode_text(text: str) -> bytes | None:
    """Return the payload of a ``str``, or None where only the serializer can keep it."""
    if _HEX_PATTERN.fullmatch(text):
        return HEX + bytes.fromhex(text)
    try:
        payload = text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return None if payload and payload[0] < _FIRST_PLAIN else payload


def compress(payload: bytes) -> bytes:
    """Return a payload that stands for the same value, compressed if that makes it shorter."""
    packed = COMPRESSED + zlib.compress(payload, 1)  # more effort gains a tenth at most
    return packed if len(packed) < len(payload) else payload


def expand(payload: bytes) -> bytes:
    """Return what compress() was given. Raises zlib.error."""
    return zlib.decompress(payload[1:]) if payload[:1] == COMPRESSED else payload


def is_text(payload: bytes) -> bool:
    """Tell whether a payload is seen to stand for a ``str``, and not the empty one."""
    return payload[:1] == HEX or payload[:1] >= _SPACE


def decode(payload: bytes, serializer: Serializer) -> Any:
    """Return the value that ``payload`` stands for; raises what the serializer raises."""
    if not payload or payload[0] >= _FIRST_PLAIN:
        return payload.decode()
    payload = expand(payload)
    if payload[0] >= _FIRST_PLAIN:
        return payload.decode()
    marker, body = payload[:1], payload[1:]
    if marker == SERIALIZED:
        return serializer.loads(body)
    if marker == HEX:
        return body.hex()
    raise ValueError(f"unknown marker {marker!r} in a stored value")


def sign(session_id: str, name: bytes, payload: bytes, key: bytes) -> bytes:
    """Return the signature of one value: bound to its session and its field, lengths included."""
    state = _begun(session_id, key)
    state.update(len(name).to_bytes(4) + name + payload)
    signature: bytes = state.digest()
    return signature


def _begun(session_id: str, key: bytes) -> Any:
    """Return the state of a session's signatures before their fields, to be copied."""
    state = _keyed(key).copy()
    state.update(session_id.encode())
    return state


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> Any:
    """Return the state after the key, to be copied: to take the key in costs more than a value."""
    return blake2b(digest_size=SIGNATURE_SIZE, key=key)


def seal(session_id: str, name: bytes, payload: bytes, key: bytes) -> bytes:
    """Return the bytes to store for one field: signature and payload."""
    return sign(session_id, name, payload, key) + payload


def unseal_all(
    session_id: str, fields: Mapping[bytes, bytes], keys: Sequence[bytes]
) -> tuple[dict[str, bytes], dict[bytes, bytes]]:
    """Return the payloads of stored fields by key, and what an old key had signed, as stored.

    Raises ValueError, which names the field, where no key had.
    """
    payloads: dict[str, bytes] = {}
    stale: dict[bytes, bytes] = {}
    begun = _begun(session_id, keys[0])
    for name, stored in fields.items():
        payload = stored[SIGNATURE_SIZE:]
        state = begun.copy()
        state.update(len(name).to_bytes(4) + name + payload)
        if not hmac.compare_digest(stored[:SIGNATURE_SIZE], state.digest()):
            try:
                payload, _ = unseal(session_id, name, stored, keys[1:])
            except ValueError as error:
                raise ValueError(f"the field {name!r}: {error}") from None
            stale[name] = stored
        payloads[name.decode()] = payload
    return payloads, stale


def unseal(session_id: str, name: bytes, stored: bytes, keys: Iterable[bytes]) -> tuple[bytes, int]:
    """Return the payload of a stored field and the position of the key that had signed it.

    Raises ValueError where no key did: truncated, edited, unsigned, or from another place.
    """
    signature, payload = stored[:SIGNATURE_SIZE], stored[SIGNATURE_SIZE:]
    for position, key in enumerate(keys):
        if hmac.compare_digest(signature, sign(session_id, name, payload, key)):
            return payload, position
    raise ValueError("the signature does not match")


def is_sealed(stored: bytes) -> bool:
    """Tell whether a field is stored sealed, not signed: no payload begins with that marker."""
    return stored[SIGNATURE_SIZE : SIGNATURE_SIZE + 1] == SEALED


def field_name(key: Any) -> bytes:
    """Return the field of a top-level session key, which becomes a ``str`` as JSON does it.

    Raises TypeError for what JSON refuses as a key, ValueError for a key that begins with NUL
    (such fields are the record's own) or that UTF-8 cannot hold.
    """
    text = key_text(key)
    if text.startswith("\0"):
        raise ValueError(f"The session key {text!r} begins with NUL, which is reserved.")
    return text.encode()


def key_text(key: Any) -> str:
    """Coerce a top-level session key to ``str`` by the rules of JSON. Raises TypeError."""
    if isinstance(key, str):
        return key
    try:
        (text,) = json.loads(json.dumps({key: None}))
    except TypeError as error:
        raise TypeError(f"The session key {key!r} cannot be one: {error}.") from error
    return str(text)
