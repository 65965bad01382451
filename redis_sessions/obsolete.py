"""Which sessions hold nothing worth a record and a cookie."""

from collections.abc import Mapping, Sized
from typing import Any

from .data import SessionData

_NOT_DATA = {"_session_expiry"}


def is_obsolete(data: Mapping[str, Any]) -> bool:
    """Tell whether a session holds no data that anyone put there.

    ``_session_expiry``, None and empty containers are not data. Everything else is, also False, 0
    and the empty string.
    """
    if isinstance(data, SessionData) and data.holds_text(besides=_NOT_DATA):
        return False  # without a look at the rest
    return all(key in _NOT_DATA or _is_nothing(value) for key, value in data.items())


def _is_nothing(value: Any) -> bool:
    if isinstance(value, str | bytes):
        return False
    return value is None or (isinstance(value, Sized) and len(value) == 0)
