"""What a session key may ask for: commands with the settings, the clock and the proofs filled in.

No I/O, and nothing of a session object.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY

from . import codec, sealing, tokens
from .commands import Command, index, locks, logins, records, sockets
from .commands.records import Ended, Result
from .conf import config
from .data import Delta
from .reasons import Reason
from .record import Facts, Record, Standing, Unreadable
from .sealing import UNSEALED, Seals
from .tokens import SessionKey

FADING = 60  # seconds that an index still names a session whose end is not confirmed

EMPTY: Mapping[bytes, bytes] = MappingProxyType({})


def now() -> int:
    """Return the time in unix seconds."""
    return int(time.time())


def absolute_age() -> int:
    """Return for how many seconds a session lives at most, however much it is used."""
    age = config().ABSOLUTE_AGE
    return records.FOREVER if age is None else age


def load(key: SessionKey) -> Command[Record | None]:
    """Read the record."""
    return records.load(_name(key))


def peek(session_id: str) -> Command[Record | Unreadable | None]:
    """Read the record of any session, to show what became of it to those who hold its key."""
    return records.peek(channel(session_id))


def channel(session_id: str) -> str:
    """Return the name of the channel on which news of a session are published: its record's."""
    return records.record_key(config().KEY_PREFIX, session_id)


def stored_digest(key: SessionKey) -> Command[bytes | None]:
    """Read what proves the right to the record; see holds()."""
    return records.stored_digest(_name(key))


def create(
    key: SessionKey,
    created: int,
    expiry: int,
    idle: int | None,
    delta: Delta,
    *,
    meta: Mapping[bytes, bytes] = EMPTY,
    login: bool = False,
) -> Command[bool]:
    """Store a new record; False where the id is taken. ``meta`` are fields that nobody signs."""
    digest = tokens.digest(key, config().digest_keys[0])
    fields = {**_sealed(key, delta), **meta}
    return records.create(_name(key), digest, created, expiry, idle, fields, login=login)


def save(
    key: SessionKey,
    age: int,
    idle: int | str | None,
    delta: Delta,
    *,
    empty: bool,
    ends_at: int | None = None,
    writer: str = "",
    meta: Mapping[bytes, bytes] = EMPTY,
    forgotten: Iterable[bytes] = (),
    login: bool = False,
) -> Command[Result]:
    """Write a delta; ``empty`` says that no data is left, as far as this process knows.

    Where the record is at the version ``ends_at``, it ends instead. ``meta`` are fields that nobody
    signs, ``forgotten`` such as are to go.
    """
    return records.save(
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
        login=login,
        changed={**_sealed(key, delta), **meta},
        removed=[*delta.removed, *forgotten],
    )


def renew(
    key: SessionKey, stale: Mapping[bytes, bytes], delta: Delta, seals: Seals = UNSEALED
) -> list[Command[int]]:
    """Sign or seal anew, under the present SECRET_KEY, what ``delta`` leaves as it is."""
    signing = config().signing_keys[0]
    stays = {
        name: (stored, codec.seal(key.id, name, stored[codec.SIGNATURE_SIZE :], signing))
        for name, stored in stale.items()
        if not (delta.replaces or name in delta.changed or name in delta.removed)
    }
    if (seals.renewals or seals.wrapped) and not delta.replaces:
        stays |= sealing.renewed(key, seals)
    return [records.renew(_name(key), _proofs(key), stays)] if stays else []


def touch(key: SessionKey, idle: int) -> Command[Result]:
    """Renew the expiry where that is due; ``idle`` counts where the record notes no other."""
    return records.touch(
        _name(key),
        _proofs(key),
        now(),
        idle=idle,
        absolute_age=absolute_age(),
        interval=config().TOUCH_INTERVAL,
    )


def rotate(
    key: SessionKey,
    fresh: SessionKey,
    reason: Reason = Reason.LOGIN,
    writer: str = "",
    formers: tuple[bytes, ...] = (),
) -> Command[Result]:
    """Exchange the secret; ``formers`` are the keys of what is sealed."""
    digest = tokens.digest(fresh, config().digest_keys[0])
    words = (_name(key), _proofs(key), digest, now(), reason, writer)
    return records.rotate(*words, wrapped=sealing.wrapped(fresh, formers))


def end(key: SessionKey, reason: Reason = Reason.LOGOUT, writer: str = "") -> Command[Ended]:
    """Remove the record."""
    return records.end(_name(key), _proofs(key), reason, writer)


def lock(key: SessionKey, holder: str, milliseconds: int) -> Command[locks.Grant]:
    """Take the lock of a session, and read its record under it."""
    return locks.lock(_name(key), _proofs(key), holder, milliseconds)


def facts(session_id: str) -> Command[Facts | None]:
    """Read what is told of a session to its user."""
    return records.facts(channel(session_id))


def tallies(session_id: str, number: int) -> set[str]:
    """Return the channels by which a process tells that it has so many sockets of a session."""
    channels = sockets.channels(channel(session_id))
    others = min(max(0, number - 1), 2 ** len(channels) - 1)
    return {name for digit, name in enumerate(channels) if others >> digit & 1}


def count_sockets(session_ids: Sequence[str]) -> Command[list[int]]:
    """Count the open sockets of sessions."""
    return sockets.count([channel(session_id) for session_id in session_ids])


def is_there(facts: Facts) -> bool:
    """Tell whether a session whose record is there has not expired."""
    return min(facts.expiry, facts.created + absolute_age()) > now()


def user_of(session_id: str, stored: bytes | None) -> bytes | None:
    """Return the payload of ``_auth_user_id`` as it was stored; None where it cannot be trusted."""
    if stored is None:
        return None
    try:
        name = SESSION_KEY.encode()
        return codec.unseal(session_id, name, stored, config().signing_keys)[0]
    except ValueError:
        return None


def holds_hash(session_id: str, facts: Facts, auth_hashes: Iterable[bytes]) -> bool:
    """Tell whether a session was opened under a password with one of these payloads."""
    name = HASH_SESSION_KEY.encode()
    return any(facts.auth_hash in _signed(session_id, name, payload) for payload in auth_hashes)


def revoke(session_id: str, reason: Reason, user: bytes | None) -> Command[bool]:
    """End a session of the user with this payload; None: of anybody."""
    signed = [] if user is None else _signed(session_id, SESSION_KEY.encode(), user)
    return records.revoke(channel(session_id), reason, signed)


def _signed(session_id: str, name: bytes, payload: bytes) -> list[bytes]:
    return [codec.seal(session_id, name, payload, key) for key in config().signing_keys]


def enlist(user_id: str, session_id: str, score: int) -> Command[int]:
    """Note a session in its user's index; return how many are there."""
    return index.enlist(_index(user_id), session_id, score, now())


def fade(user_id: str, session_id: str) -> Command[int]:
    """Have a user's index forget a session soon; enlist() takes that back."""
    return index.fade(_index(user_id), session_id, now() + FADING)


def count_listed(user_id: str) -> Command[int]:
    """Return how many sessions a user's index names."""
    return index.card(_index(user_id))


def delist(user_id: str, *session_ids: str) -> Command[int]:
    """Take sessions out of a user's index."""
    return index.delist(_index(user_id), *session_ids)


def forget_index(user_id: str) -> Command[None]:
    """Forget a user's index."""
    return index.forget(_index(user_id))


def members(user_id: str, offset: int, limit: int) -> Command[list[str]]:
    """Read a page of the ids in a user's index."""
    return index.members(_index(user_id), now(), offset, limit)


def note_login(user_id: str) -> Command[None]:
    """Note that a user logs in now."""
    return logins.note(_login(user_id), time.time_ns() // 1000)


def last_login(user_id: str) -> Command[int | None]:
    """Read when a user logged in last, in unix microseconds; None where that was not noted."""
    return logins.last(_login(user_id))


def forget_login(user_id: str) -> Command[None]:
    """Forget when a user logged in."""
    return logins.forget(_login(user_id))


def _login(user_id: str) -> str:
    return logins.key(config().KEY_PREFIX, user_id)


def scan_index(user_id: str, cursor: int, count: int) -> Command[tuple[int, list[str]]]:
    """Read some of the ids in a user's index, from a cursor, and the next cursor before them."""
    return index.scan(_index(user_id), cursor, count)


def _index(user_id: str) -> str:
    return index.key(config().KEY_PREFIX, user_id)


def has_expired(record: Record) -> bool:
    """Tell whether a record that is still there has expired."""
    return min(record.expiry, record.created + absolute_age()) <= now()


def standing(key: SessionKey, record: Record | None) -> Standing:
    """Tell what the key is to the record that was read under its id."""
    moment = now()
    if record is None or min(record.expiry, record.created + absolute_age()) <= moment:
        return Standing.WRONG
    return record.standing(_digests(key), moment)


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
    return sealing.sealed(key, delta.changed)
