"""Walk over what the server holds, page by page, as steps: records, indexes, and the ids in them.

No command here keeps the server for longer than a page takes. Nothing is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from . import operations, roster
from .commands import index, records, server, sharding
from .conf import config
from .steps import Send, Work

T = TypeVar("T")

KEYS = 1000  # to look at in one round trip
BATCH = 100  # records, or indexes, to ask about in one


class Keys(NamedTuple):
    """A page of what the server holds, and where the next begins; 0: this was the last."""

    cursor: int
    ids: list[str]  # of sessions
    users: list[str]  # who have an index


class Listing(NamedTuple):
    """An id in the index of a user."""

    user_id: str
    session_id: str


def keys(cursor: int) -> Work[Keys]:
    """Look at a page of keys, from a cursor, at first 0.

    What is there all the time is named once at least; a server that resizes its table may name it
    twice.
    """
    prefix = config().KEY_PREFIX
    [(cursor, names)] = yield Send(server.scan(cursor, index.any_pattern(prefix), KEYS))
    ids = [found for name in names if (found := records.id_of(prefix, name)) is not None]
    users = [found for name in names if (found := index.user_of(prefix, name)) is not None]
    return Keys(cursor, ids, users)


def users(cursor: int) -> Work[Keys]:
    """Look at a page of keys as keys() does, for indexes only."""
    prefix = config().KEY_PREFIX
    [(cursor, names)] = yield Send(server.scan(cursor, index.pattern(prefix), KEYS))
    found = (index.user_of(prefix, name) for name in names)
    return Keys(cursor, [], [user_id for user_id in found if user_id is not None])


def listings(cursors: Mapping[str, int]) -> Work[tuple[dict[str, int], list[Listing]]]:
    """Read a page of each index, from its cursor, at first 0; return where to go on, and ids."""
    scans = [index.scan(index_of(user_id), at, BATCH) for user_id, at in cursors.items()]
    pages = yield Send(*scans)
    read = list(zip(cursors, pages, strict=True))
    further = {user_id: cursor for user_id, (cursor, _) in read if cursor}
    return further, [Listing(user_id, name) for user_id, (_, names) in read for name in names]


def ghosts(listed: Sequence[Listing]) -> Work[list[Listing]]:
    """Return the listings that no record of their user stands behind, as far as can be told.

    A login that is under way is among them: an index is written before its record. One whose
    record nobody here can verify is not: the SECRET_KEY of this process may be wrong.
    """
    found: list[Listing] = []
    for batch in batches(listed, KEYS):
        names = (operations.channel(listing.session_id) for listing in batch)
        stored = yield Send(*(records.stored_user(name) for name in names))
        found += [
            listing for listing, user in zip(batch, stored, strict=True) if _is_ghost(listing, user)
        ]
    return found


def _is_ghost(listing: Listing, stored: bytes | None) -> bool:
    if stored is None:
        return True
    payload = operations.user_of(listing.session_id, stored)
    return payload is not None and roster.text(payload) != listing.user_id


def index_of(user_id: str) -> str:
    """Return the key of a user's index."""
    return index.key(config().KEY_PREFIX, user_id)


def batches(things: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Return things in sequences of this size at most."""
    return (things[start : start + size] for start in range(0, len(things), size))


def fraction(cursor: int) -> float:
    """Return how much of the keys lies before a cursor that keys() returned, from 0 to 1.

    A server's table has a power of two of places, which it visits in the order of their numbers
    with the bits reversed. Of a cluster, what is known is which masters are done.
    """
    of_slots = sharding.progress(cursor)
    if of_slots is not None:
        return of_slots
    return int(f"{cursor:064b}"[::-1], 2) / 2**64 if cursor else 1.0
