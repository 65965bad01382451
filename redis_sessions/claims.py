"""Claims: how a page gets the cookie of a session that began or was rotated over its open socket.

The consumer makes a claim and sends it to the page, the page posts it to the claim view, and that
answers with the cookie. A claim works once, for 30 seconds, and only in the browser whose cookie
the socket had, where it had one. No I/O here.
"""

from hashlib import blake2b

from . import codec, commands, tokens
from .commands import Command
from .conf import config
from .tokens import SessionKey

SECONDS = 30
_LENGTH = 25  # characters of [0-9a-z]: 129 bits
_SCOPE = "claim"
_KEY_LENGTH = tokens.ID_LENGTH + tokens.SECRET_LENGTH


def make(key: SessionKey, former: str | None) -> tuple[str, Command[None]]:
    """Return a claim, and the command that stores what it stands for.

    ``former`` is the session key that the socket's browser had presented. What is stored is of no
    use without the claim: the key is covered with a pad that only claim and SECRET_KEY give.
    """
    claim = tokens.random_text(_LENGTH)
    payload = _covered(str(key).encode(), claim) + _former(former, claim)
    stored = codec.seal(_SCOPE, _digest(claim), payload, config().signing_keys[0])
    return claim, commands.store_claim(_name(claim), stored, SECONDS)


def take(claim: str) -> Command[bytes | None]:
    """Return the command that takes a claim out of the store: it works once."""
    return commands.take_claim(_name(claim))


def open_(claim: str, stored: bytes | None, former: str | None) -> str | None:
    """Return the session key that a claim stands for; None where it has none for this browser."""
    if stored is None:
        return None
    try:
        payload, _ = codec.unseal(_SCOPE, _digest(claim), stored, config().signing_keys)
    except ValueError:
        return None
    covered, bound = payload[:_KEY_LENGTH], payload[_KEY_LENGTH:]
    if not tokens.among(bound, [_former(former, claim)]):
        return None
    return _covered(covered, claim).decode()


def _name(claim: str) -> str:
    return commands.claim_key(config().KEY_PREFIX, _digest(claim).hex())


def _digest(claim: str) -> bytes:
    return _keyed(claim, b"name", 16)


def _former(former: str | None, claim: str) -> bytes:
    return _keyed(f"{claim}{former or ''}", b"former", 16)


def _covered(text: bytes, claim: str) -> bytes:
    pad = _keyed(claim, b"pad", _KEY_LENGTH)
    return bytes(one ^ other for one, other in zip(text, pad, strict=True))


def _keyed(text: str, purpose: bytes, size: int) -> bytes:
    key = config().claim_keys[0]
    return blake2b(text.encode(), digest_size=size, key=key, person=purpose).digest()
