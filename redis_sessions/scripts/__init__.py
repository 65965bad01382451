"""The server-side scripts, one ``.lua`` file an operation, and their loader. Nothing runs here."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text, and the name by which the server caches it (SHA-1, hexadecimal)."""

    text: str
    sha: str


@cache
def load(name: str) -> Script:
    """Read the script ``name`` (without ``.lua``) that ships with this package."""
    text = files(__name__).joinpath(f"{name}.lua").read_text("utf-8")
    return named(text)


@cache
def joined(first: Script, second: Script) -> Script:
    """Return one script of two: the first does its work, or returns instead of the second."""
    return named(f"{first.text}\n{second.text}")


def named(text: str) -> Script:
    """Return the script with this text."""
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())
