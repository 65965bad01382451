"""What the model of the admin means to sites: no table, no query, nothing where no admin is."""

import json
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection

from redis_sessions.models import ActiveSession
from tests.settings import URL

CLAIMED = """
from django.test import Client
from django.urls import include, path, reverse
from redis_sessions import claims, executors
from redis_sessions.conf import config
from redis_sessions.session import SessionStore
urlpatterns = [path("sessions/", include("redis_sessions.urls"))]
session = SessionStore()
session["basket"] = 1
session.save()
text, command = claims.make(session.key, [None])
executors.run(config().alias, command)
origin = {"Origin": "http://testserver"}
answer = Client().post(reverse("redis_sessions:claim"), {"claim": text}, headers=origin)
print(answer.status_code, answer.cookies["sessionid"].value == session.session_key)
"""
CHECKED = "call_command('check'); print(sorted(apps.app_configs))"


def python(code: str, *installed: str, **settings: Any) -> str:
    """Run code on a site with these apps and no others, and return what it prints."""
    engine = {"SESSION_ENGINE": "redis_sessions.session", "INSTALLED_APPS": list(installed)}
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    words = engine | {"SECRET_KEY": "x", "CACHES": {"default": cache}} | settings
    lines = [
        "import django",
        "from django.apps import apps",
        "from django.conf import settings",
        "from django.core.management import call_command",
        f"settings.configure(**{words!r})",
        code,
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.django_db
def test_the_model_has_no_table() -> None:
    assert ActiveSession._meta.db_table not in connection.introspection.table_names()


def test_the_model_is_asked_without_a_query() -> None:
    assert list(ActiveSession.objects.all()) == []
    assert list(ActiveSession._base_manager.filter(pk="x").order_by("pk").iterator()) == []
    assert not ActiveSession.objects.filter(pk="x").exists()


@pytest.mark.django_db
def test_the_data_of_a_site_can_be_dumped() -> None:
    for options in ({}, {"use_base_manager": True}):
        out = StringIO()
        call_command("dumpdata", "redis_sessions", "auth.group", stdout=out, **options)
        assert json.loads(out.getvalue()) == []


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


@pytest.mark.django_db
def test_the_permissions_are_to_view_to_end_and_to_see_keys() -> None:
    found = Permission.objects.filter(content_type__app_label="redis_sessions")
    assert set(found.values_list("codename", flat=True)) == {
        "view_activesession",
        "delete_activesession",
        "view_session_keys",
    }


@pytest.mark.parametrize(
    "installed",
    [
        ["redis_sessions"],
        ["redis_sessions", "django.contrib.contenttypes"],
        ["django.contrib.auth", "django.contrib.contenttypes", "redis_sessions"],
    ],
    ids=len,
)
def test_a_site_without_an_admin_imports_none_of_it(installed: list[str]) -> None:
    code = f"import sys; django.setup(); {CHECKED}; print('redis_sessions.admin' in sys.modules)"
    code += "; print('django.contrib.admin' in sys.modules)"
    assert python(code, *installed).endswith("False\nFalse\n")


def test_a_site_without_a_database_starts() -> None:
    assert "redis_sessions" in python(f"django.setup(); {CHECKED}", "redis_sessions", DATABASES={})


def test_a_site_without_users_brings_cookies_by_claims(redis_client: redis.Redis) -> None:
    site = {
        "CACHES": {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": URL}},
        "MIDDLEWARE": ["redis_sessions.middleware.SessionMiddleware"],
        "ROOT_URLCONF": "__main__",
        "ALLOWED_HOSTS": ["testserver"],
    }
    assert python(f"django.setup()\n{CLAIMED}", "redis_sessions", **site) == "204 True\n"


def test_the_sockets_part_may_be_imported_before_the_apps_are_ready() -> None:
    code = "import redis_sessions.live; django.setup(); print(apps.get_models()[-1].__name__)"
    installed = ["django.contrib.auth", "django.contrib.contenttypes", "redis_sessions"]
    assert python(code, *installed) == "ActiveSession\n"
