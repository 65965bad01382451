"""Commands: what to send for each operation, and what the reply means.

Names of Redis keys and commands live here and in ``scripts/``. No client, no clock, no settings:
digests, times and ages are arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .. import scripts

T = TypeVar("T")


@dataclass(slots=True)  # not frozen: that would triple what it costs to make one
class Command(Generic[T]):
    """One command and the meaning of its reply.

    ``words`` is the command as sent: with a ``script``, EVALSHA and the name of that.
    ``wrong_type`` answers where the key holds something that is not a record. With ``waits``,
    replicas are to confirm what it writes, if the site wants that of anything.
    """

    words: tuple[Any, ...]
    parse: Callable[[Any], T]
    wrong_type: Callable[[], T]
    script: scripts.Script | None = None
    waits: bool = False


def scripted(
    name: str,
    words: tuple[Any, ...],
    parse: Callable[[Any], T],
    wrong_type: Callable[[], T],
    keys: int = 1,
    *,
    waits: bool = False,
) -> Command[T]:
    """Return the command that runs a script on keys, the first of ``words``."""
    script = scripts.load(name)
    return Command(("EVALSHA", script.sha, keys, *words), parse, wrong_type, script, waits)


def as_is(reply: Any) -> Any:
    """Take a reply for what it is."""
    return reply


def nothing() -> None:
    """Answer None."""
    return
