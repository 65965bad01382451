"""Count what the server holds of sessions, as steps: records, indexes, and what those get wrong."""

from collections.abc import Callable, Sequence

from . import operations, scanning
from .commands import index, records, server
from .inspection import Kind
from .looking import Look, look
from .scanning import Listing
from .steps import Send, Work
from .tally import Found, Tally

_INDEX_SAMPLES = 5  # ids of an index that are measured: it may have a million


def survey(progress: Callable[[float], None] = lambda _: None) -> Work[Tally]:
    """Walk over all records and indexes; tell ``progress`` which part is done, from 0 to 1."""
    tally, cursor = Tally(), None
    while cursor != 0:
        page = yield from scanning.keys(cursor or 0)
        cursor = page.cursor
        for ids in scanning.batches(page.ids):
            yield from _count_records(tally, ids)
        for users in scanning.batches(page.users):
            yield from _count_indexes(tally, users)
        progress(scanning.fraction(cursor))
    return tally


def _count_records(tally: Tally, ids: Sequence[str]) -> Work[None]:
    looks = yield from look(ids)
    for found in looks:
        tally.add(_found(found))
    tally.unlisted += yield from _unlisted(
        [Listing(one.user_id or "", one.id) for one in looks if one.kind is Kind.LOGGED_IN]
    )


def _found(one: Look) -> Found:
    sizes = one.inspection.sizes
    names = [len(name) for name in sizes]
    longest = max([*names, *sizes.values()], default=0)
    content = sum(names) + sum(sizes.values())
    return Found(one.kind, one.memory, one.encoding, content, longest, len(sizes))


def _unlisted(sessions: Sequence[Listing]) -> Work[int]:
    """Count the sessions that an index does not name, though they go on.

    A session that ends leaves its record first and the index then: it is not among them.
    """
    if not sessions:
        return 0
    replies = yield Send(
        *(index.names(scanning.index_of(user_id), session_id) for user_id, session_id in sessions),
        *(records.stored_user(operations.channel(session_id)) for _, session_id in sessions),
    )
    pairs = zip(replies[: len(sessions)], replies[len(sessions) :], strict=True)
    return sum(not is_named and user is not None for is_named, user in pairs)


def _count_indexes(tally: Tally, users: Sequence[str]) -> Work[None]:
    keys = [scanning.index_of(user_id) for user_id in users]
    sizes = yield Send(*(server.memory(key, _INDEX_SAMPLES) for key in keys))
    tally.indexes += len(users)
    tally.index_memory += sum(size or 0 for size in sizes)
    cursors = dict.fromkeys(users, 0)
    while cursors:
        cursors, listed = yield from scanning.listings(cursors)
        tally.listed += len(listed)
        tally.ghosts += len((yield from scanning.ghosts(listed)))
