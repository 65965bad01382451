"""Which values are sealed, and with what: encryption with the settings filled in. No I/O.

``encryption`` is imported at its first use, so a site that seals nothing needs no library for it.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.exceptions import ImproperlyConfigured

from . import codec
from .conf import config
from .record import Record, Unreadable
from .tokens import SessionKey

# What Django's login stores. Lists of a user's sessions, and what ends them, read user and hash
# without the secret of the session; the path of a backend, sealed, would fit no listpack.
READABLE = {name.encode() for name in (SESSION_KEY, HASH_SESSION_KEY, BACKEND_SESSION_KEY)}


class Seals(NamedTuple):
    """What a session object knows of the keys of its record."""

    renewals: Mapping[bytes, tuple[bytes, bytes]] = {}  # field -> (as read, payload): see opened()
    wrapped: bytes = b""  # keys from before a rotation, as read
    former: tuple[bytes, ...] = ()  # those of them that values need still
    found: bool = False  # whether anything was sealed

    def after_save(self) -> "Seals":
        """Return what is known after a save, which renewed all that was to be."""
        if not (self.renewals or self.wrapped):
            return self
        return Seals(former=() if self.wrapped else self.former, found=self.found)

    def after_rotation(self, formers: tuple[bytes, ...]) -> "Seals":
        """Return what is known after a rotation, which wrapped these keys."""
        return Seals(self.renewals, former=formers, found=True) if formers else self


UNSEALED = Seals()
SEALED = Seals(found=True)  # all is as it has to be
Opened = tuple[dict[str, bytes], dict[bytes, bytes], Seals]


@cache
def library() -> Any:
    """Return the module that seals. Raises ImproperlyConfigured where its library is missing."""
    try:
        return import_module(".encryption", __package__)
    except ImportError as error:
        raise ImproperlyConfigured(str(error)) from error


def opened(key: SessionKey, record: Record) -> Opened:
    """Return the payloads of a record by key, what a save has to renew, and the seals.

    What is signed with an old key is named with its bytes, as Record.unseal() does; where anything
    is or has to be sealed, Seals.renewals names what is not stored as it would be today. Raises
    Unreadable where one value cannot be trusted: then nothing of the session is used.
    """
    site = config()
    if not (site.ENCRYPT or record.wrapped):
        try:
            return *record.unseal(key.id, site.signing_keys), UNSEALED
        except Unreadable:
            if not any(map(codec.is_sealed, record.fields.values())):
                raise
    return _opened(key, record)


def _opened(key: SessionKey, record: Record) -> Opened:
    signed, sealed = dict[bytes, bytes](), dict[bytes, bytes]()
    for name, stored in record.fields.items():
        (sealed if codec.is_sealed(stored) else signed)[name] = stored
    opener = library().Opener(key, config().sealing_keys, record.wrapped) if sealed else None
    try:
        payloads, stale = codec.unseal_all(key.id, signed, config().signing_keys)
        opened = opener.open_all(sealed) if opener is not None else {}
    except ValueError as error:
        raise Unreadable(str(error)) from None
    to_seal = signed.keys() - READABLE if config().ENCRYPT else ()
    renewals = {name: (signed[name], payloads[name.decode()]) for name in {*stale, *to_seal}}
    for name, (payload, is_present) in opened.items():
        payloads[name.decode()] = payload
        if not (is_present and config().ENCRYPT) or name in READABLE:
            renewals[name] = (sealed[name], payload)
    if not (renewals or record.wrapped):
        return payloads, {}, SEALED
    former = tuple(opener.former) if opener is not None else ()
    return payloads, {}, Seals(renewals, record.wrapped, former, bool(sealed))


def sealed(key: SessionKey, payloads: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the bytes to store for each field: sealed or, what has to be readable, signed."""
    site = config()
    signing = site.signing_keys[0]
    if not site.ENCRYPT:
        return {name: codec.seal(key.id, name, held, signing) for name, held in payloads.items()}
    sealer = library().Sealer(key, site.sealing_keys[0])
    return {
        name: codec.seal(key.id, name, held, signing)
        if name in READABLE
        else sealer.seal(name, held)
        for name, held in payloads.items()
    }


def renewed(key: SessionKey, seals: Seals) -> dict[bytes, tuple[bytes, bytes]]:
    """Return fields with their bytes as read and as they have to be, empty for none.

    All go in one script. So wrapped keys go when, and only when, nothing is left that needs them.
    """
    fresh = sealed(key, {name: payload for name, (_, payload) in seals.renewals.items()})
    pairs = {name: (stored, fresh[name]) for name, (stored, _) in seals.renewals.items()}
    if seals.wrapped:
        pairs[codec.WRAPPED] = (seals.wrapped, b"")
    return pairs


def formers(key: SessionKey, seals: Seals) -> tuple[bytes, ...]:
    """Return the keys that are needed once ``key`` was rotated away, none where nothing is sealed.

    A process that has another SECRET_KEY in force may be saving: all count.
    """
    if not (config().ENCRYPT or seals.found):
        return ()
    present = [library().derive(key, salt) for salt in config().sealing_keys]
    return tuple(dict.fromkeys([*present, *seals.former]))


def wrapped(key: SessionKey, formers: tuple[bytes, ...]) -> bytes:
    """Return what a rotation to ``key`` stores of former keys; empty where there are none."""
    return library().Sealer(key, config().sealing_keys[0]).wrap(formers) if formers else b""
