"""Who visits: a user that each process keeps in a database of its own, with a session."""

from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db import connection

from .consumers import KEY
from .operations import LOGGED_IN


def make_user() -> Any:
    """Make the table and the user. It is the same in every process, and so is its hash."""
    user = get_user_model()
    with connection.schema_editor() as editor:
        editor.create_model(user)
    return user.objects.create(pk=LOGGED_IN[SESSION_KEY], username="ada", password="!unusable")


def session_of(user: Any) -> dict[str, Any]:
    """Return what the session of the user holds."""
    return LOGGED_IN | {KEY: 0, HASH_SESSION_KEY: user.get_session_auth_hash()}
