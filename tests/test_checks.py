"""The system checks: each message with its id, for the settings that call for it."""

from collections.abc import Iterator
from typing import Any

import pytest
from channels_redis.core import RedisChannelLayer
from django.core.checks import CheckMessage, run_checks
from pytest_django.fixtures import Settings

from redis_sessions import checks, connections
from redis_sessions.commands import server as server_commands
from tests.servers import Server, free_port

ENTRY = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}


def ids(messages: list[CheckMessage]) -> list[str]:
    return [str(message.id).removeprefix("redis_sessions.") for message in messages]


def test_the_settings_of_the_tests_pass_every_check() -> None:
    found = run_checks(include_deployment_checks=True)
    assert [message for message in found if str(message.id).startswith("redis_sessions.")] == []


@pytest.mark.parametrize(
    "caches",
    [
        {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        {"default": {"BACKEND": "no.such.Cache"}},
        {"default": ENTRY | {"LOCATION": ""}},
        {"default": ENTRY | {"LOCATION": "http://127.0.0.1/0"}},
        {"default": ENTRY | {"LOCATION": "redis://127.0.0.1/0?socket_timeout=soon"}},
        {"default": ENTRY | {"OPTIONS": {"SENTINELS": ["127.0.0.1:26379"]}}},
        {"default": ENTRY | {"OPTIONS": {"SENTINELS": [("127.0.0.1", "65x")]}}},
        {"default": ENTRY | {"OPTIONS": {"SENTINELS": []}}},
        {"default": ENTRY | {"LOCATION": "redis://127.0.0.1", "OPTIONS": {"CLUSTER": "no"}}},
        {"default": ENTRY | {"LOCATION": "redis://127.0.0.1/1", "OPTIONS": {"CLUSTER": True}}},
    ],
)
def test_an_entry_of_caches_that_cannot_serve_is_an_error(
    settings: Settings, caches: dict[str, Any]
) -> None:
    settings.CACHES = caches
    [message] = checks.check_settings()
    assert ids([message]) == ["E001"]
    assert "the deployment page for SENTINELS and CLUSTER" in str(message.hint)


def test_settings_that_can_be_are_none(settings: Settings) -> None:
    settings.REDIS_SESSIONS = {
        "MAX_SESSIONS_PER_USER": "redis_sessions.users.count",
        "OVER_LIMIT": "refuse",
        "DEVICES": "truncated",
        "TRUSTED_PROXIES": ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "unix"],
        "RECORD_LAST_LOGIN": "off",
        "END_WITH_USER": False,
        "WAIT_REPLICAS": 1,
    }
    assert checks.check_settings() == []


def test_an_alias_that_caches_does_not_have_is_an_error(settings: Settings) -> None:
    settings.REDIS_SESSIONS = {"ALIAS": "elsewhere"}
    [message] = checks.check_settings()
    assert ids([message]) == ["E001"]
    assert "'elsewhere'" in message.msg


def test_an_unknown_setting_is_an_error_that_lists_the_known(settings: Settings) -> None:
    settings.REDIS_SESSIONS = {"TTL": 1}
    [message] = checks.check_settings()
    assert ids([message]) == ["E002"]
    assert "'TTL'" in message.msg
    assert "ABSOLUTE_AGE" in str(message.hint)


def test_settings_that_are_no_dict_are_an_error(settings: Settings) -> None:
    settings.REDIS_SESSIONS = ["ALIAS"]
    assert ids(checks.check_settings()) == ["E002"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ABSOLUTE_AGE", "1"),
        ("ABSOLUTE_AGE", 0),
        ("ALIAS", 1),
        ("CLOSE_CODES", [4401]),
        ("CLOSE_CODES", {"LOGGED_OUT": 1000}),
        ("CLOSE_CODES", {"LOGGED_OUT": 5000}),
        ("CLOSE_CODES", {"LOGGED_OUT": "4401"}),
        ("CLOSE_CODES", {"GONE": 4401}),
        ("COMPRESS_MIN_LENGTH", 511),
        ("COMPRESS_MIN_LENGTH", True),
        ("DEVICES", "some"),
        ("DEVICES", None),
        ("EMPTY_AGE", -1),
        ("EMPTY_AGE", True),
        ("KEY_PREFIX", None),
        ("KEY_PREFIX", "{site}"),
        ("END_WITH_USER", "yes"),
        ("MAX_SESSIONS_PER_USER", 0),
        ("MAX_SESSIONS_PER_USER", True),
        ("MAX_SESSIONS_PER_USER", 1.5),
        ("MAX_SESSIONS_PER_USER", "no.such.callable"),
        ("MAX_SESSIONS_PER_USER", "redis_sessions.conf.SETTING"),
        ("OVER_LIMIT", "ignore"),
        ("RECORD_LAST_LOGIN", False),
        ("RECORD_LAST_LOGIN", "file"),
        ("TRUSTED_PROXIES", "10.0.0.0/8"),
        ("TRUSTED_PROXIES", ["10.0.0.1/8"]),
        ("TRUSTED_PROXIES", ["proxy.example.com"]),
        ("TRUSTED_PROXIES", [None]),
        ("TRUSTED_PROXIES", ["UNIX"]),
        ("TRUSTED_PROXIES", "unix"),
        ("OBSOLETE", "no.such.callable"),
        ("OBSOLETE", "redis_sessions.conf.SETTING"),
        ("REVALIDATE", 0),
        ("ROLLING", 1),
        ("TOUCH_INTERVAL", -1),
        ("TOUCH_INTERVAL", 1.5),
    ],
)
def test_a_setting_with_a_wrong_value_is_an_error(
    settings: Settings, name: str, value: Any
) -> None:
    settings.REDIS_SESSIONS = {name: value}
    [message] = checks.check_settings()
    assert ids([message]) == ["E003"]
    assert name in message.msg


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ABSOLUTE_AGE", None),
        ("ABSOLUTE_AGE", 1),
        ("TOUCH_INTERVAL", 0),
        ("ALIAS", "sessions"),
        ("REVALIDATE", 1),
        ("CLOSE_CODES", {"LOGGED_OUT": 4000, "EXPIRED": 4999}),
    ],
)
def test_a_setting_at_its_bound_is_accepted(settings: Settings, name: str, value: Any) -> None:
    settings.REDIS_SESSIONS = {name: value}
    assert checks.check_settings() == []


def test_decode_responses_of_the_cache_is_a_warning(settings: Settings) -> None:
    options = {"CONNECTION_POOL_KWARGS": {"decode_responses": True}}
    settings.CACHES = {"default": ENTRY | {"OPTIONS": options}}
    assert ids(checks.check_settings()) == ["W004"]


def test_another_engine_is_a_warning(settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    assert ids(checks.check_site()) == ["W001"]


def test_djangos_middleware_where_ours_is_meant_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    messages = checks.check_site()
    assert ids(messages) == ["W002", "W003"]
    assert "redis_sessions.middleware.SessionMiddleware" in str(messages[0].hint)


def test_settings_of_django_redis_sessions_are_a_warning(settings: Settings) -> None:
    settings.SESSION_REDIS_HOST = "localhost"
    [message] = checks.check_site()
    assert ids([message]) == ["W005"]
    assert "SESSION_REDIS_HOST" in message.msg


def test_django_redis_sessions_beside_this_package_is_an_error(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "django_redis_sessions-0.6.2.dist-info"
    installed.mkdir()
    installed.joinpath("METADATA").write_text("Name: django-redis-sessions\nVersion: 0.6.2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    [message] = checks.check_site()
    assert ids([message]) == ["E004"]
    assert "django-redis-sessions" in message.msg


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (None, ["W006"]),
        (["redis://127.0.0.1"], ["W006"]),
        ([("127.0.0.1", 6379)], ["W006"]),
        ([{"address": "redis://127.0.0.1"}], ["W006"]),
        ([{"address": "redis://127.0.0.1", "socket_timeout": 5}], ["W006"]),
        ([{"address": "redis://127.0.0.1", "socket_timeout": 15}], []),
        ([{"address": "redis://127.0.0.1", "socket_timeout": None}], []),
        ([{"host": "127.0.0.1", "socket_timeout": 15}], []),
        (["redis://127.0.0.1?socket_timeout=15"], []),
        ([{"address": "redis://127.0.0.1?socket_timeout=15"}, "redis://127.0.0.1"], ["W006"]),
    ],
)
def test_a_channel_layer_whose_sockets_may_time_out_first_is_a_warning(
    settings: Settings, hosts: Any, found: list[str]
) -> None:
    backend = f"{RedisChannelLayer.__module__}.{RedisChannelLayer.__name__}"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": hosts}}}
    assert ids(checks.check_site()) == found


def test_a_channel_layer_that_cannot_be_imported_is_left_to_channels(
    settings: Settings,
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "no.such.Layer"}}
    assert checks.check_site() == []


def test_a_server_that_cannot_be_reached_is_a_warning_of_the_deployment_checks(
    settings: Settings,
) -> None:
    settings.CACHES = {"default": ENTRY}
    assert ids(checks.check_server()) == ["W008"]
    assert checks.check_settings() == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_may_evict_sessions_is_a_warning(settings: Settings, policy: str) -> None:
    evicting = Server("valkey", None, "--maxmemory-policy", policy).start()
    try:
        settings.CACHES = {"default": ENTRY | {"LOCATION": evicting.url}}
        [message] = checks.check_server()
    finally:
        evicting.stop()
    assert ids([message]) == ["W009"]
    assert policy in message.msg


@pytest.fixture
def own_server(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Server]:
    """A server of the test's own, at CACHES["default"]; its options by indirect parameters."""
    name = request.config.getoption("server")
    own = Server(name, None, *getattr(request, "param", ())).start()
    settings.CACHES = {"default": ENTRY | {"LOCATION": own.url}}
    yield own
    connections.close()
    own.stop()


NODE = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))


@pytest.mark.parametrize("own_server", [NODE], indirect=True)
@pytest.mark.usefixtures("own_server")
def test_a_node_of_a_cluster_that_is_named_as_a_single_server_is_a_warning() -> None:
    [message] = checks.check_server()
    assert ids([message]) == ["W010"]
    assert "CLUSTER" in str(message.hint)


def test_a_replica_that_is_named_as_the_server_is_a_warning(
    own_server: Server, server: Server
) -> None:
    with own_server.client() as client:
        client.replicaof("127.0.0.1", server.port)
    assert ids(checks.check_server()) == ["W011"]


@pytest.mark.usefixtures("own_server")
def test_fewer_replicas_than_are_to_confirm_is_a_warning(settings: Settings) -> None:
    assert checks.check_server() == []
    settings.REDIS_SESSIONS = {"WAIT_REPLICAS": 2}
    [message] = checks.check_server()
    assert ids([message]) == ["W012"]
    assert "has 0 replicas" in message.msg
    settings.REDIS_SESSIONS = {"WAIT_REPLICAS": "two"}  # check_settings() tells
    assert checks.check_server() == []


def test_a_service_that_does_not_tell_what_it_is_is_no_warning(settings: Settings) -> None:
    settings.REDIS_SESSIONS = {"WAIT_REPLICAS": 1}
    told = server_commands.standing().parse(b"# Server\r\nuptime:1\r\nconnected_slaves:\r\n")
    assert told == (None, None, None)
    assert [*checks._misplaced(told)] == []


def test_wrong_settings_leave_the_server_alone(settings: Settings) -> None:
    settings.CACHES = {"default": ENTRY | {"LOCATION": ""}}
    assert checks.check_server() == []
