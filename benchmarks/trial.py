"""Does an engine do what is measured? What an operation leaves behind, looked at by another store.

An engine that was set up wrongly would be fast: what it does nothing of costs nothing.
"""

from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.core.management import call_command

from .operations import BASKET, KEY, LOGGED_IN, LOGIN

if TYPE_CHECKING:
    from .stores import Stores


def make_tables() -> None:
    """Make the tables of sessions, and the user to whom their rows refer."""
    call_command("migrate", verbosity=0)
    get_user_model().objects.create(pk=LOGIN[SESSION_KEY], username="ada", password="!unusable")


def check_origin(store: type[SessionBase], package: str) -> None:
    """Raise AssertionError where the store is not the one of that package."""
    if not package:
        return
    found = Path(import_module(store.__module__).__file__ or "").resolve()
    files = [Path(str(file.locate())).resolve() for file in distribution(package).files or ()]
    assert found in files, f"{store.__module__} is not of {package}"


def check(stores: "Stores", name: str, half: str, key: str | None) -> None:
    """Run an operation; raise AssertionError where what is stored then is not what has to be."""
    operation, session = stores._operation(name), stores.SessionStore(key)
    if half == "sync":
        operation.run(session)
    else:
        stores.runner.run(operation.arun(session))
    left = EXPECTED[name]
    stored = _stored(stores, session.session_key)
    kept = {field: value for field, value in stored.items() if field in left}
    assert kept == left, f"{half} {name}: {stored} is stored, not {left}"
    if name in {"read", "save"}:
        assert session.session_key == key, f"{half} {name}: the session has another key"
    if name == "save":
        assert KEY in stored, f"{half} save: {stored} is stored"
    if name in {"login", "logout"}:
        assert not _stored(stores, key), f"{half} {name}: the session before it is still there"


EXPECTED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "read": LOGGED_IN,
    "save": LOGGED_IN,
    "create": LOGGED_IN,
    "login": BASKET | LOGIN,
    "logout": {},
}


def _stored(stores: "Stores", key: str | None) -> dict[str, Any]:
    return {} if key is None else dict(stores.SessionStore(key).items())
