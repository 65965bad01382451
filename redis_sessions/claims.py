"""Claims: how a page gets the cookie of a session that began or was rotated over its open socket.

The consumer makes a claim and sends it to the page, the page posts it to the claim view, and that
answers with the cookie. A claim works once, for 30 seconds, and only in the browser whose cookie
the socket had; where it had none, only in one that has none. That hinders who would slip a claim
of theirs into another's page, to have its user go on in their session. A post by another browser
uses the claim up: who could make it has seen what was meant for one page only. No I/O here.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b

from . import codec, tokens
from .commands import Command, claims
from .conf import config
from .tokens import SessionKey

SECONDS = 30
_LENGTH = 25  # characters of [0-9a-z]: 129 bits
_CLAIM = re.compile(rf"[0-9a-z]{{{_LENGTH}}}", re.ASCII)
_SCOPE = "claim"
_FORMER_SIZE = 16
_KEY_LENGTH = tokens.ID_LENGTH + tokens.SECRET_LENGTH


def make(key: SessionKey, formers: Iterable[str | None]) -> tuple[str, Command[None]]:
    """Return a claim, and the command that stores what it stands for.

    ``formers`` are the session keys of which the socket's browser presents one, or None where it
    may have none. What is stored is of no use without the claim: the key is covered with a pad that
    only claim and SECRET_KEY give.
    """
    claim = tokens.random_text(_LENGTH)
    bound = b"".join(_former(former, claim) for former in formers)
    payload = _covered(str(key).encode(), claim) + bound
    stored = codec.seal(_SCOPE, _digest(claim), payload, config().signing_keys[0])
    return claim, claims.store(_name(claim), stored, SECONDS)


def is_claim(text: str) -> bool:
    """Tell whether a text could be a claim."""
    return _CLAIM.fullmatch(text) is not None


def take(claim: str) -> Command[bytes | None]:
    """Return the command that takes a claim out of the store: it works once."""
    return claims.take(_name(claim))


def open_(claim: str, stored: bytes | None, former: str | None) -> str | None:
    """Return the session key that a claim stands for; None where it has none for this browser."""
    if stored is None:
        return None
    try:
        payload, _ = codec.unseal(_SCOPE, _digest(claim), stored, config().signing_keys)
    except ValueError:
        return None
    starts = range(_KEY_LENGTH, len(payload), _FORMER_SIZE)
    bound = [payload[start : start + _FORMER_SIZE] for start in starts]
    if not tokens.among(_former(former, claim), bound):
        return None
    return _covered(payload[:_KEY_LENGTH], claim).decode()


def _name(claim: str) -> str:
    return claims.key(config().KEY_PREFIX, _digest(claim).hex())


def _digest(claim: str) -> bytes:
    return _keyed(claim, b"name", 16)


def _former(former: str | None, claim: str) -> bytes:
    return _keyed(f"{claim}{former or ''}", b"former", _FORMER_SIZE)


def _covered(text: bytes, claim: str) -> bytes:
    pad = _keyed(claim, b"pad", _KEY_LENGTH)
    return bytes(one ^ other for one, other in zip(text, pad, strict=True))


def _keyed(text: str, purpose: bytes, size: int) -> bytes:
    key = config().claim_keys[0]
    return blake2b(text.encode(), digest_size=size, key=key, person=purpose).digest()
