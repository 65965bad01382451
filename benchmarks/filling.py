"""Many sessions in a moment: the server copies what an engine has stored, under other names."""

import time

import redis

_BATCH = 10_000  # copies in a script: some hundredths of a second
_DIGITS = 9

# Returns nothing. KEYS[1] is copied; ARGV[1] stands before and ARGV[2] behind a number of _DIGITS
# digits, from ARGV[3] to ARGV[4].
_COPY = f"""
for number = tonumber(ARGV[3]), tonumber(ARGV[4]) do
  redis.call('COPY', KEYS[1], ARGV[1] .. string.format('%0{_DIGITS}d', number) .. ARGV[2])
end
"""


def multiply(client: redis.Redis, number: int) -> None:
    """Copy each key of the database until there are ``number`` of its kind, each as long.

    A copy is as large as the original and expires with it. It serves to fill the server: with
    signatures that name another session, nobody could read it.
    """
    for key in client.scan_iter(count=1000):
        copy(client, key, number - 1, key[: -_DIGITS - 1], key[-1:])


def copy(client: redis.Redis, key: bytes, number: int, before: bytes, behind: bytes) -> None:
    """Copy a key to ``number`` others: a number between what their names begin and end with."""
    for first in range(1, number + 1, _BATCH):
        last = min(number, first + _BATCH - 1)
        client.eval(_COPY, 1, key, before, behind, first, last)


def numbered(number: int) -> str:
    """Return a number as it stands in a copy's name."""
    return f"{number:0{_DIGITS}}"


def empty(client: redis.Redis) -> None:
    """Empty the database, and come back when the memory of what was there is free."""
    client.flushdb(asynchronous=True)
    while client.info("memory")["lazyfree_pending_objects"]:
        time.sleep(0.05)
