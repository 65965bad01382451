"""The engines that are compared, and the Django settings of a site that uses each."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Engine:
    """A session engine. ``session_engine`` is what ``SESSION_ENGINE`` says."""

    name: str
    title: str
    session_engine: str
    apps: tuple[str, ...] = ()

    def settings(self, url: str) -> dict[str, Any]:
        """Return the settings of a site whose sessions live in the database at ``url``."""
        return {
            "SECRET_KEY": "only for measuring, and long enough to be one",
            "INSTALLED_APPS": [
                "django.contrib.auth",
                "django.contrib.contenttypes",
                *self.apps,
            ],
            "USE_TZ": True,
            "SESSION_ENGINE": self.session_engine,
            "CACHES": {
                "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url},
            },
        }


OURS = Engine("ours", "ours", "redis_sessions.session", ("redis_sessions",))
RIVALS = (Engine("cache", "cache on django-redis", "django.contrib.sessions.backends.cache"),)
ENGINES = {engine.name: engine for engine in (OURS, *RIVALS)}
