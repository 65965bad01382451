"""The settings of the processes that serve one site together: users in a file they share."""

import json
import os

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.live.two_site"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["REDIS_SESSIONS_TEST_USERS"],
    }
}
REDIS_SESSIONS = json.loads(os.environ["REDIS_SESSIONS_TEST_OPTIONS"])
