"""The TEST_RUNNERs of these runs: Django's own, with what runtests.py does not leave to settings.

What is left out or skipped is printed with its reason.
"""

import os
from collections import Counter

from django.conf import settings
from django.test.runner import DiscoverRunner, ParallelTestSuite
from django.test.utils import iter_test_cases, override_settings

from .inapplicable import left_out

OURS = {
    "django.contrib.sessions.middleware.SessionMiddleware": (
        "redis_sessions.middleware.SessionMiddleware"
    ),
    "django.contrib.auth.middleware.AuthenticationMiddleware": (
        "redis_sessions.middleware.AuthenticationMiddleware"
    ),
}


def init_worker(*args, **kwargs):
    """Begin a process: its users have a database of their own, so their sessions need a prefix."""
    ParallelTestSuite.init_worker(*args, **kwargs)
    ours = {**settings.REDIS_SESSIONS, "KEY_PREFIX": f"session-{os.getpid()}"}
    override_settings(REDIS_SESSIONS=ours).enable()


class SeparateSuite(ParallelTestSuite):
    """Runs tests in processes that share no sessions."""

    init_worker = init_worker


class WholeRunner(DiscoverRunner):
    """Runs all tests; SUITES_MIDDLEWARE=ours puts our middleware in the place of Django's."""

    parallel_test_suite = SeparateSuite
    middleware = os.environ.get("SUITES_MIDDLEWARE", "stock")

    def setup_test_environment(self, **kwargs):
        """Change MIDDLEWARE here, because runtests.py has overwritten the settings' own."""
        if self.middleware == "ours":
            settings.MIDDLEWARE = [OURS.get(name, name) for name in settings.MIDDLEWARE]
        super().setup_test_environment(**kwargs)


class SuiteRunner(WholeRunner):
    """Leaves out the tests that cannot apply."""

    def load_tests_for_label(self, label, discover_kwargs):
        """Return the tests that apply."""
        tests = super().load_tests_for_label(label, discover_kwargs)
        return self.test_suite(test for test in iter_test_cases(tests) if self._applies(test.id()))

    def _applies(self, name):
        reason = left_out(self.middleware).get(name)
        if reason:
            self.log(f"Left out: {name}: {reason}")
        return not reason

    def run_suite(self, suite, **kwargs):
        """Run, and say what Django's tests skipped by themselves."""
        result = super().run_suite(suite, **kwargs)
        for reason, count in Counter(reason for _, reason in result.skipped).items():
            self.log(f"Skipped by Django ({count}): {reason}")
        return result
