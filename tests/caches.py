"""What the tests put into ``settings.CACHES``."""

from typing import Any

from tests.settings import URL


def caches(location: Any, **options: Any) -> dict[str, Any]:
    """Return CACHES with one django-redis entry, for sessions; ``options`` are its OPTIONS."""
    entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}
    return {"sessions": entry}


def patient_caches() -> dict[str, Any]:
    """Return CACHES with timeouts for tests that keep the machine busy."""
    timeouts = {"SOCKET_TIMEOUT": 20, "SOCKET_CONNECT_TIMEOUT": 20}
    return caches(URL, **timeouts, CONNECTION_POOL_KWARGS={"timeout": 20})
