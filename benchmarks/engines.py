"""The engines that are compared, and the Django settings of a site that uses each."""

from dataclasses import dataclass
from typing import Any

CACHE = "django.contrib.sessions.backends.cache"
DJANGOS = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
OF_OURS = (
    "redis_sessions.middleware.SessionMiddleware",
    "redis_sessions.middleware.AuthenticationMiddleware",
)


@dataclass(frozen=True)
class Engine:
    """A session engine. ``session_engine`` is what ``SESSION_ENGINE`` says."""

    name: str
    title: str
    sockets: str  # what hands the session to sockets
    session_engine: str
    middleware: tuple[str, ...] = DJANGOS
    apps: tuple[str, ...] = ()

    def settings(self, url: str) -> dict[str, Any]:
        """Return the settings of a site whose sessions live in the database at ``url``."""
        return {
            "SECRET_KEY": "only for measuring, and long enough to be one",
            "ALLOWED_HOSTS": ["127.0.0.1"],
            "INSTALLED_APPS": [
                "django.contrib.auth",
                "django.contrib.contenttypes",
                *self.apps,
            ],
            "MIDDLEWARE": self.middleware,
            "ROOT_URLCONF": "benchmarks.pages",
            "USE_TZ": True,
            "SESSION_ENGINE": self.session_engine,
            "CACHES": {
                "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url},
            },
            "DATABASES": {
                "default": {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": "file:users?mode=memory&cache=shared",  # with all threads
                },
            },
        }


OURS = Engine("ours", "ours", "ours", "redis_sessions.session", OF_OURS, apps=("redis_sessions",))
RIVALS = (Engine("cache", "cache on django-redis", "channels.sessions, cache", CACHE),)
BARE = Engine("bare", "no session", "no session", CACHE)  # of sockets: the floor
ENGINES = {engine.name: engine for engine in (OURS, *RIVALS, BARE)}
