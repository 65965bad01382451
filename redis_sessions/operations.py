"""What a session key may ask for: commands with the settings, the clock and the proofs filled in.

No I/O, and nothing of a session object.
"""

import time
from collections.abc import Mapping

from . import codec, commands, tokens
from .commands import Command, Result
from .conf import config
from .data import Delta
from .reasons import Reason
from .record import Record, Standing, Unreadable
from .tokens import SessionKey


def now() -> int:
    """Return the time in unix seconds."""
    return int(time.time())


def absolute_age() -> int:
    """Return for how many seconds a session lives at most, however much it is used."""
    age = config().ABSOLUTE_AGE
    return commands.FOREVER if age is None else age


def load(key: SessionKey) -> Command[Record | None]:
    """Read the record."""
    return commands.load(_name(key))


def peek(session_id: str) -> Command[Record | Unreadable | None]:
    """Read the record of any session, to show what became of it to those who hold its key."""
    return commands.peek(channel(session_id))


def channel(session_id: str) -> str:
    """Return the name of the channel on which news of a session are published: its record's."""
    return commands.record_key(config().KEY_PREFIX, session_id)


def stored_digest(key: SessionKey) -> Command[bytes | None]:
    """Read what proves the right to the record; see holds()."""
    return commands.stored_digest(_name(key))


def create(
    key: SessionKey, created: int, expiry: int, idle: int | None, delta: Delta
) -> Command[bool]:
    """Store a new record; False where the id is taken."""
    digest = tokens.digest(key, config().digest_keys[0])
    return commands.create(_name(key), digest, created, expiry, idle, _sealed(key, delta))


def save(
    key: SessionKey,
    age: int,
    idle: int | str | None,
    delta: Delta,
    *,
    empty: bool,
    ends_at: int | None = None,
    writer: str = "",
) -> Command[Result]:
    """Write a delta; ``empty`` says that no data is left, as far as this process knows.

    Where the record is at the version ``ends_at``, it ends instead.
    """
    return commands.save(
        _name(key),
        _proofs(key),
        now(),
        age=age,
        absolute_age=absolute_age(),
        idle=idle,
        empty_age=config().EMPTY_AGE if empty else None,
        replaces=delta.replaces,
        ends_at=ends_at,
        writer=writer,
        changed=_sealed(key, delta),
        removed=delta.removed,
    )


def renew(key: SessionKey, stale: Mapping[bytes, bytes], delta: Delta) -> list[Command[int]]:
    """Sign anew, under the present SECRET_KEY, what ``delta`` leaves as it is."""
    stays = {
        name: (stored, _seal(key, name, stored[codec.SIGNATURE_SIZE :]))
        for name, stored in stale.items()
        if not (delta.replaces or name in delta.changed or name in delta.removed)
    }
    return [commands.renew(_name(key), _proofs(key), stays)] if stays else []


def touch(key: SessionKey, idle: int) -> Command[Result]:
    """Renew the expiry where that is due; ``idle`` counts where the record notes no other."""
    return commands.touch(
        _name(key),
        _proofs(key),
        now(),
        idle=idle,
        absolute_age=absolute_age(),
        interval=config().TOUCH_INTERVAL,
    )


def rotate(
    key: SessionKey, fresh: SessionKey, reason: Reason = Reason.LOGIN, writer: str = ""
) -> Command[Result]:
    """Exchange the secret."""
    digest = tokens.digest(fresh, config().digest_keys[0])
    return commands.rotate(_name(key), _proofs(key), digest, now(), reason, writer)


def end(key: SessionKey, reason: Reason = Reason.LOGOUT, writer: str = "") -> Command[Result]:
    """Remove the record."""
    return commands.end(_name(key), _proofs(key), reason, writer)


def has_expired(record: Record) -> bool:
    """Tell whether a record that is still there has expired."""
    return min(record.expiry, record.created + absolute_age()) <= now()


def standing(key: SessionKey, record: Record | None) -> Standing:
    """Tell what the key is to the record that was read under its id."""
    if record is None or has_expired(record):
        return Standing.WRONG
    return record.standing(_digests(key), now())


def holds(key: SessionKey, stored_digest: bytes | None) -> bool:
    """Tell whether the key is the present one of the record with this digest."""
    return stored_digest is not None and tokens.among(stored_digest, _digests(key))


def _name(key: SessionKey) -> str:
    return channel(key.id)


def _digests(key: SessionKey) -> list[bytes]:
    return [tokens.digest(key, digest_key) for digest_key in config().digest_keys]


def _proofs(key: SessionKey) -> bytes:
    return b"".join(_digests(key))


def _sealed(key: SessionKey, delta: Delta) -> dict[bytes, bytes]:
    return {name: _seal(key, name, payload) for name, payload in delta.changed.items()}


def _seal(key: SessionKey, name: bytes, payload: bytes) -> bytes:
    return codec.seal(key.id, name, payload, config().signing_keys[0])
