"""Take out of the indexes what has expired, and ghosts: ids with no record of their user."""

from collections.abc import Sequence
from dataclasses import dataclass

from . import operations, scanning
from .commands import index
from .scanning import Listing
from .steps import Pause, Send, Work

# Seconds between two looks at a ghost, which may be a login under way. With the default timeouts, a
# call to the server ends within 3 s whatever happens.
PAUSE = 5.0
MANY = 10_000  # suspects to remember until the second look


@dataclass
class Pruned:
    """What was taken out of the indexes."""

    expired: int = 0
    ghosts: int = 0


def prune(pause: float = PAUSE) -> Work[Pruned]:
    """Prune all indexes while logins go on; return how much was taken out."""
    pruned, suspects, cursor = Pruned(), list[Listing](), None
    while cursor != 0:
        page = yield from scanning.users(cursor or 0)
        cursor = page.cursor
        for batch in scanning.batches(page.users):
            pruned.expired += yield from _drop_expired(batch)
            cursors = dict.fromkeys(batch, 0)
            while cursors:
                cursors, listed = yield from scanning.listings(cursors)
                suspects += yield from scanning.ghosts(listed)
                if len(suspects) >= MANY:
                    pruned.ghosts += yield from _drop_ghosts(suspects, pause)
                    suspects = []
    pruned.ghosts += yield from _drop_ghosts(suspects, pause)
    return pruned


def _drop_expired(users: Sequence[str]) -> Work[int]:
    now = operations.now()
    dropped = yield Send(*(index.prune(scanning.index_of(user_id), now) for user_id in users))
    return sum(dropped)


def _drop_ghosts(suspects: list[Listing], pause: float) -> Work[int]:
    """Look again after a while, and take out those that are ghosts still."""
    if not suspects:
        return 0
    yield Pause(pause)
    dropped = 0
    for batch in scanning.batches(suspects):
        ghosts = yield from scanning.ghosts(batch)
        if ghosts:
            counts = yield Send(*(operations.delist(*listing) for listing in ghosts))
            dropped += sum(counts)
    return dropped
