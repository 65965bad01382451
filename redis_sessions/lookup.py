"""Find users by what staff call them. The database is asked, and no Redis."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

Users = QuerySet[Any]


def everybody() -> Users:
    """Return all users."""
    model: Any = get_user_model()
    users: Users = model._default_manager.all()
    return users


def users_called(text: str, users: Users | None = None) -> list[Any]:
    """Return the users with this name or this primary key, out of ``users``: all, if not given."""
    users = everybody() if users is None else users
    names = [get_user_model().USERNAME_FIELD, "pk"]
    found = {user.pk: user for name in names for user in _by(users, name, text)}
    return list(found.values())


def user_with_key(text: str, users: Users | None = None) -> Any:
    """Return the user with this primary key, out of ``users``; None if there is none."""
    found = _by(everybody() if users is None else users, "pk", text)
    return found[0] if found else None


def _by(users: Users, name: str, text: str) -> list[Any]:
    if not text or "\0" in text:  # some databases refuse NUL with an error
        return []
    try:
        return list(users.filter(**{name: text})[:2])
    except (TypeError, ValueError, ValidationError):  # this field cannot hold such a text
        return []
