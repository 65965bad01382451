"""What a session costs in the server, beside Django's cache engine on django-redis."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends import cache as cache_engine
from django.core.cache import caches

from tests.conftest import Do, record_of

BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "django.contrib.auth.backends.RemoteUserBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]


def logged_in(backend: str) -> dict[str, Any]:
    return {
        SESSION_KEY: "1234",
        BACKEND_SESSION_KEY: backend,
        HASH_SESSION_KEY: "0123456789abcdef" * 4,
    }


@pytest.fixture
def _cache_engine(settings) -> Iterator[None]:
    """A cache on the same server, as a site has it that uses the cache engine."""
    settings.CACHES = settings.CACHES | {"elsewhere": settings.CACHES["sessions"]}
    settings.SESSION_CACHE_ALIAS = "elsewhere"
    yield
    caches["elsewhere"].client.get_client().connection_pool.disconnect()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_session_of_somebody_who_is_logged_in_is_a_listpack(
    do: Do, stored, redis_client, backend: str
) -> None:
    session = stored(**logged_in(backend))
    assert redis_client.object("encoding", record_of(session)) == b"listpack"
    do(session.cycle_key)
    do(session.set_expiry, 3600)
    do(session.save)
    assert redis_client.object("encoding", record_of(session)) == b"listpack"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.usefixtures("_cache_engine")
def test_a_login_takes_no_more_than_in_the_cache_engine_but_for_when_it_was(
    stored, redis_client: redis.Redis, backend: str
) -> None:
    theirs = cache_engine.SessionStore()
    theirs.update(logged_in(backend))
    theirs.save()
    (their_key,) = redis_client.scan_iter("*django.contrib.sessions.cache*")
    ours = record_of(stored(**logged_in(backend)))
    assert redis_client.ttl(their_key) > 0
    noted = 48  # bytes for the times of the login and of the last use
    assert redis_client.memory_usage(ours) <= redis_client.memory_usage(their_key) + noted
