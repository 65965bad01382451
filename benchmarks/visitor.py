"""Who visits: a user that each process keeps in a database of its own, with a session."""

from functools import cache
from typing import Any

from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    user_logged_in,
)
from django.db import connection

from .operations import KEY, LOGGED_IN, LOGIN


def make_user() -> Any:
    """Make the table and the user. It is the same in every process, and so is its hash."""
    user = get_user_model()
    with connection.schema_editor() as editor:
        editor.create_model(user)
    return user.objects.create(pk=LOGGED_IN[SESSION_KEY], username="ada", password="!unusable")


def session_of(user: Any, **more: Any) -> dict[str, Any]:
    """Return what the session of the user holds."""
    return LOGGED_IN | {KEY: 0, HASH_SESSION_KEY: user.get_session_auth_hash()} | more


@cache
def remembered() -> Any:
    """Return the user without a database."""
    return get_user_model()(pk=int(LOGIN[SESSION_KEY]), username="ada", password="!unusable")


class Remembered:
    """An authentication backend that knows the user by heart.

    Django's would ask the database, which is no cost of a session.
    """

    def get_user(self, user_id: Any) -> Any:
        """Return the user."""
        return remembered() if user_id == remembered().pk else None

    async def aget_user(self, user_id: Any) -> Any:
        """See get_user()."""
        return self.get_user(user_id)


REMEMBERED = {BACKEND_SESSION_KEY: f"{__name__}.{Remembered.__name__}"}


def leave_users_alone() -> None:
    """Have a login write to the session, not to the row of the user as well."""
    user_logged_in.disconnect(dispatch_uid="update_last_login")
