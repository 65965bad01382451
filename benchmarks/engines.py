"""The engines that are compared, and the Django settings of a site that uses each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BACKENDS = "django.contrib.sessions.backends"
DJANGOS = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
OF_OURS = (
    "redis_sessions.middleware.SessionMiddleware",
    "redis_sessions.middleware.AuthenticationMiddleware",
)
MEMORY = "file:users?mode=memory&cache=shared"  # with all threads


@dataclass(frozen=True)
class Engine:
    """A session engine. ``session_engine`` is what ``SESSION_ENGINE`` says."""

    name: str
    title: str
    sockets: str = ""  # what hands the session to sockets
    session_engine: str = f"{BACKENDS}.cache"
    middleware: tuple[str, ...] = DJANGOS
    apps: tuple[str, ...] = ()
    package: str = ""  # what to install for it
    needs: tuple[str, ...] = ()  # what the package imports, and this project does not
    model: str = ""  # of the sessions in a database
    in_redis: bool = True
    redis_sessions: tuple[tuple[str, Any], ...] = ()  # what ``REDIS_SESSIONS`` says

    def settings(self, url: str, folder: Path) -> dict[str, Any]:
        """Return the settings of a site with its sessions in Redis at ``url``, or in ``folder``."""
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
            "AUTHENTICATION_BACKENDS": [
                "django.contrib.auth.backends.ModelBackend",
                "benchmarks.visitor.Remembered",
            ],
            "USE_TZ": True,
            "SESSION_ENGINE": self.session_engine,
            "REDIS_SESSIONS": dict(self.redis_sessions),
            "SESSION_REDIS": _of_django_redis_sessions(url),
            "CACHES": {"default": self._cache(url)},
            "DATABASES": {"default": self._database(folder)},
        }

    def _cache(self, url: str) -> dict[str, Any]:
        """Return django-redis, with as many connections as tasks: it fails where they run out."""
        django_redis: dict[str, Any] = {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": url,
        }
        pool = {"CONNECTION_POOL_KWARGS": {"max_connections": 1_000}}
        return django_redis if "redis_sessions" in self.apps else django_redis | {"OPTIONS": pool}

    def _database(self, folder: Path) -> dict[str, Any]:
        """Return SQLite in memory, or, where it holds sessions, in a file, as Django advises it."""
        sqlite = {"ENGINE": "django.db.backends.sqlite3"}
        if not self.model:
            return sqlite | {"NAME": MEMORY}
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"
        options = {"timeout": 60, "transaction_mode": "IMMEDIATE", "init_command": pragmas}
        return sqlite | {"NAME": folder / "sessions.sqlite3", "OPTIONS": options}


def _of_django_redis_sessions(url: str) -> dict[str, Any]:
    """Return the settings that its README gives, for this server."""
    there = urlsplit(url)
    address = {"host": there.hostname, "port": there.port, "db": int(there.path[1:])}
    return address | {"prefix": "session", "socket_timeout": 1, "retry_on_timeout": False}


OURS = Engine("ours", "ours", "ours", "redis_sessions.session", OF_OURS, apps=("redis_sessions",))
ENCRYPTED = Engine(
    "encrypted",
    "ours, encrypted",
    "",
    "redis_sessions.session",
    OF_OURS,
    apps=("redis_sessions",),
    redis_sessions=(("ENCRYPT", True),),
)
CACHE = Engine("cache", "cache on django-redis", "channels.sessions, cache")
OTHERS = (
    Engine(
        "cached_db",
        "cached_db, SQLite",
        session_engine=f"{BACKENDS}.cached_db",
        apps=("django.contrib.sessions",),
        model="sessions.Session",
    ),
    Engine(
        "db",
        "db, SQLite",
        session_engine=f"{BACKENDS}.db",
        apps=("django.contrib.sessions",),
        model="sessions.Session",
        in_redis=False,
    ),
    Engine(
        "redis-sessions",
        "django-redis-sessions",
        session_engine="redis_sessions.session",
        package="django-redis-sessions",
    ),
    Engine(
        "user-sessions",
        "django-user-sessions",
        session_engine="user_sessions.backends.db",
        middleware=("user_sessions.middleware.SessionMiddleware", DJANGOS[1]),
        apps=("user_sessions",),
        package="django-user-sessions",
        needs=("setuptools<81",),  # for pkg_resources, which it imports and newer ones do not have
        model="user_sessions.Session",
        in_redis=False,
    ),
    Engine(
        "qsessions",
        "django-qsessions, cached",
        session_engine="qsessions.backends.cached_db",
        middleware=("qsessions.middleware.SessionMiddleware", DJANGOS[1]),
        apps=("qsessions",),
        package="django-qsessions",
        model="qsessions.Session",
    ),
)
BARE = Engine("bare", "no session", "no session", middleware=())  # below sockets and requests
FLOOR = Engine("floor", "socket and hiredis", "", "redis_sessions.session", OF_OURS)
CLIENT = Engine("redis-py", "redis-py", "", "redis_sessions.session", OF_OURS)
RIVALS = (CACHE, *OTHERS)
ENGINES = {engine.name: engine for engine in (FLOOR, BARE, OURS, *RIVALS, ENCRYPTED, CLIENT)}
