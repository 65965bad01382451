"""People in the tests: sessions in which somebody is logged in, and what their index holds."""

import time
from typing import Any

import redis
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User

from redis_sessions.operations import FADING
from redis_sessions.session import SessionStore
from tests.conftest import Do

BACKEND = "django.contrib.auth.backends.ModelBackend"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


def person(pk: Any = 7) -> User:
    """Return a user whom no database knows."""
    return User(pk=pk, username=f"user {pk}", password="md5$salt$hash")


def log_in(do: Do, user: Any = None, **meta: str) -> SessionStore:
    """Do to a new session what ``django.contrib.auth.login`` does, and save it."""
    session = SessionStore()
    session.meta = meta or None
    do(session.cycle_key)
    do(session.update, credentials(user or person()))
    do(session.save)
    return session


def credentials(user: Any) -> dict[str, str]:
    """Return what a login puts into a session."""
    return {
        SESSION_KEY: user._meta.pk.value_to_string(user),
        BACKEND_SESSION_KEY: BACKEND,
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }


def index_of(user_id: Any = 7) -> str:
    """Return the key of a user's index in the server."""
    return f"session:user:{{{user_id}}}"


def listed(client: redis.Redis, user_id: Any = 7) -> set[str]:
    """Return the ids in a user's index, without those that it is about to forget."""
    soon = time.time() + FADING
    members = client.zrange(index_of(user_id), soon, "inf", byscore=True)
    return {member.decode() for member in members}
