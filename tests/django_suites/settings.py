"""Settings for Django's runtests.py: what its own test_sqlite.py sets, and our session engine."""

import os

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3"},
}
SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = False
TEST_RUNNER = os.environ.get("SUITES_RUNNER", "tests.django_suites.runner.SuiteRunner")

# Not "sessions": a test of Django's relies on the absence of an alias of that name.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "live": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ["REDIS_SESSIONS_TEST_URL"],
    },
}
SESSION_ENGINE = os.environ.get("SUITES_ENGINE", "redis_sessions.session")
REDIS_SESSIONS = {"ALIAS": "live"}
