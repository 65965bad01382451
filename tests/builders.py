"""Commands on one record, with defaults for what a test does not care about."""

from typing import Any

from redis_sessions import executors
from redis_sessions.commands import Command, records
from redis_sessions.commands.records import FOREVER, Result
from redis_sessions.record import Record

RECORD = "session:{0123456789abcd}"
NOW = (
    4_000_000_000  # far enough for the server, whose clock nobody moves, to keep what expires then
)
HELD, NEXT, OTHER = b"h" * 16, b"n" * 16, b"x" * 16


def run(*batch: Command[Any]) -> Any:
    return executors.run("sessions", *batch)[0]


def create(
    *, digest: bytes = HELD, idle: int | None = None, age: int = 100, **fields: bytes
) -> Any:
    named = {name.encode(): value for name, value in fields.items()}
    return records.create(RECORD, digest, NOW, NOW + age, idle, named)


def save(digests: bytes = HELD, now: int = NOW, **changes: Any) -> Command[Result]:
    words: dict[str, Any] = {
        "age": 200,
        "absolute_age": FOREVER,
        "idle": None,
        "empty_age": None,
        "replaces": False,
        "ends_at": None,
        "changed": {},
        "removed": [],
    }
    return records.save(RECORD, digests, now, **(words | changes))


def touch(digests: bytes = HELD, now: int = NOW, **changes: int) -> Command[Result]:
    words = {"idle": 200, "absolute_age": FOREVER, "interval": 60}
    return records.touch(RECORD, digests, now, **(words | changes))


def renew(digests: bytes = HELD, **fields: tuple[bytes, bytes]) -> Command[int]:
    return records.renew(RECORD, digests, {name.encode(): pair for name, pair in fields.items()})


def rotate(digests: bytes = HELD, now: int = NOW) -> Command[Result]:
    return records.rotate(RECORD, digests, NEXT, now)


def end(digests: bytes = HELD) -> Command[Result]:
    return records.end(RECORD, digests)


def read() -> Record | None:
    return run(records.load(RECORD))
