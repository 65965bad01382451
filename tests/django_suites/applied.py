"""Django's tests of a session store and of its middleware, applied to ours.

runtests.py imports this, with Django's tests directory on the path.
"""

from unittest import mock

from django.conf import settings
from django.test import SimpleTestCase, override_settings
from sessions_tests import tests as django_tests

from redis_sessions.middleware import SessionMiddleware
from redis_sessions.session import SessionStore


class StoreTests(django_tests.SessionTestsMixin, SimpleTestCase):
    backend = SessionStore


@override_settings(USE_TZ=True)
class StoreWithTimeZoneTests(StoreTests):
    pass


@override_settings(
    REDIS_SESSIONS=settings.REDIS_SESSIONS
    | {"ROLLING": True, "TOUCH_INTERVAL": 1, "ABSOLUTE_AGE": 2 * settings.SESSION_COOKIE_AGE}
)
class RollingStoreTests(StoreTests):
    pass


class OurMiddlewareTests(django_tests.SessionMiddlewareTests):
    def setUp(self):
        patch = mock.patch.object(django_tests, "SessionMiddleware", SessionMiddleware)
        self.enterContext(patch)
        super().setUp()
