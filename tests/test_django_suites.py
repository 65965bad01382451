"""Django's own tests, unmodified, with our engine by settings: see the modules of django_suites.

Each suite that reads or saves sessions in three tests or more, and csrf_tests, is run by Django's
runtests.py with the stock middleware; then all that use sessions again, with ours.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import django
import pytest
import redis

from tests.django_suites import inapplicable, sdist

HERE = "tests.django_suites"
ROOT = Path(__file__).parents[1]
CACHE_ENGINE = "django.contrib.sessions.backends.cache"
SUITES = [
    "sessions_tests",
    "auth_tests",
    "messages_tests",
    "csrf_tests",
    "test_client",
    "test_client_regress",
    "async",
    "flatpages_tests",
    "timezones",
    "admin_changelist",
    "admin_custom_urls",
    "admin_docs",
    "admin_inlines",
    "admin_utils",
    "admin_views",
    "admin_widgets",
    "generic_inline_admin",
]
# No session is left when these are through; in Django 5.2 those of timezones are not collected.
WITHOUT_RECORDS = {"csrf_tests", "messages_tests", "timezones"}
AUTH = "admin_multidb auth_backends basic context_processors decorators login middleware"
AUTH_WITH_SESSIONS = [
    f"auth_tests.test_{name}"  # the others use no session, and much time for hashing passwords
    for name in f"{AUTH} remote_user signals templates views".split()
]
GROUPS = {
    "admin": [name for name in SUITES if "admin" in name],
    "auth": AUTH_WITH_SESSIONS,
    "others": [name for name in SUITES if "admin" not in name and name != "auth_tests"],
}


class Run(NamedTuple):
    """What runtests.py printed, and its exit code."""

    output: str
    code: int

    def line(self, start: str) -> str:
        """Return the line that begins so, or an empty string."""
        found = re.search(rf"^{start}.*$", self.output, re.MULTILINE)
        return found.group() if found else ""

    @property
    def failed(self) -> set[str]:
        """The names of the tests that failed."""
        return set(re.findall(r"^(?:FAIL|ERROR): \S+ \(([\w.]+)\)", self.output, re.MULTILINE))

    def assert_success(self) -> str:
        """Hold all tests to have passed, and return the runner's summary."""
        assert not self.failed
        assert self.code == 0
        assert f"installed in '{Path(django.__file__).parent}'" in self.output
        assert re.match(r"Ran [1-9]\d* tests", self.line("Ran"))
        assert "ResourceWarning" not in self.output
        left_out = self.output.count("\nLeft out: ")
        return f"{self.line('Ran')}: {self.line('OK')}, left out: {left_out}"


Runtests = Callable[..., Run]
Tell = Callable[[str], None]


@pytest.fixture(scope="session")
def django_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        archive = sdist.fetch(ROOT / ".pytest_cache" / "django-sdist")
    except sdist.Unavailable as reason:
        pytest.skip(f"Django's source distribution cannot be fetched: {reason}")
    return sdist.unpack(archive, tmp_path_factory.mktemp("django"))


@pytest.fixture
def runtests(django_tests: Path) -> Runtests:
    """Run labels by Django's runtests.py; keywords become the SUITES_ variables of settings."""

    def run(*labels: str, **variables: str) -> Run:
        # These are no measure of coverage: what covers a line is to be a test of this project.
        env = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
        env |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {f"SUITES_{name.upper()}": value for name, value in variables.items()}
        options = [f"--settings={HERE}.settings", "--parallel=2", "--noinput"]
        done = subprocess.run(
            [sys.executable, "runtests.py", *options, *labels],
            cwd=django_tests,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=550,
            check=False,
        )
        sys.stdout.write(done.stdout)
        return Run(done.stdout, done.returncode)

    return run


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Show a line also where the output of tests that pass is not shown."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line} ")

    return write


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_of_django_passes_with_the_stock_middleware(
    runtests: Runtests, tell: Tell, redis_client: redis.Redis, suite: str
) -> None:
    tell(f"{suite}: {runtests(suite).assert_success()}")
    assert redis_client.keys("session*:{*}") or suite in WITHOUT_RECORDS


@pytest.mark.parametrize("group", GROUPS)
def test_the_suites_of_django_pass_with_our_middleware(
    runtests: Runtests, tell: Tell, redis_client: redis.Redis, group: str
) -> None:
    run = runtests(*GROUPS[group], middleware="ours")
    tell(f"{group}, our middleware: {run.assert_success()}")
    assert redis_client.keys("session*:{*}")


def test_djangos_tests_of_a_store_and_of_the_middleware_hold_for_ours(
    runtests: Runtests, tell: Tell
) -> None:
    run = runtests("sessions_tests", f"{HERE}.applied", "-k", f"{HERE}.applied.")
    tell(f"Django's session tests applied to ours: {run.assert_success()}")


@pytest.mark.parametrize("middleware", ["stock", "ours"])
def test_each_test_that_is_left_out_does_fail(runtests: Runtests, middleware: str) -> None:
    names = set(inapplicable.left_out(middleware))
    run = runtests(*names, middleware=middleware, runner=f"{HERE}.runner.WholeRunner")
    assert run.failed == names


def test_what_is_left_out_fails_with_any_engine_that_keeps_no_table(runtests: Runtests) -> None:
    names = {name for name in inapplicable.INAPPLICABLE if not name.startswith(HERE)}
    run = runtests(*names, engine=CACHE_ENGINE, runner=f"{HERE}.runner.WholeRunner")
    assert run.failed == names
