"""The settings of the processes that serve the soak's site. Timeouts are the package's own."""

from tests.settings import *  # noqa: F403
from tests.settings import URL

ROOT_URLCONF = "tests.soak.site"
AUTHENTICATION_BACKENDS = ["tests.soak.site.Remembered"]
CACHES = {"sessions": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": URL}}
REDIS_SESSIONS = {"REVALIDATE": 3, "RECORD_LAST_LOGIN": "off"}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django.request": {"level": "ERROR"}},  # or each 400 comes with its traceback
}
