"""The TEST_RUNNER of these runs: Django's own, less the tests that cannot apply.

Nothing is left out or skipped in silence: each is printed with its reason.
"""

import os
from collections import Counter

from django.conf import settings
from django.test.runner import DiscoverRunner
from django.test.utils import iter_test_cases

from .inapplicable import INAPPLICABLE

STOCK = "django.contrib.sessions.middleware.SessionMiddleware"


class SuiteRunner(DiscoverRunner):
    """Puts DJANGO_SUITES_MIDDLEWARE in the place of the stock middleware, where it is given."""

    def setup_test_environment(self, **kwargs):
        middleware = os.environ.get("DJANGO_SUITES_MIDDLEWARE", STOCK)
        settings.MIDDLEWARE = [middleware if m == STOCK else m for m in settings.MIDDLEWARE]
        super().setup_test_environment(**kwargs)

    def load_tests_for_label(self, label, discover_kwargs):
        tests = super().load_tests_for_label(label, discover_kwargs)
        return self.test_suite(test for test in iter_test_cases(tests) if self._applies(test))

    def _applies(self, test):
        reason = INAPPLICABLE.get(test.id())
        if reason:
            self.log(f"Left out: {test.id()}: {reason}")
        return not reason

    def run_suite(self, suite, **kwargs):
        result = super().run_suite(suite, **kwargs)
        for reason, count in Counter(reason for _, reason in result.skipped).items():
            self.log(f"Skipped by Django ({count}): {reason}")
        return result
