"""The settings: their defaults, read at use, and what is made of them."""

import dataclasses

import pytest
from django.core.exceptions import ImproperlyConfigured

from redis_sessions.conf import Config, config
from redis_sessions.live import CloseCode
from redis_sessions.obsolete import is_obsolete
from redis_sessions.tokens import derive_key


def never(data: object) -> bool:
    return False


def test_every_setting_has_a_default() -> None:
    assert dataclasses.asdict(Config()) == {
        "ALIAS": None,
        "KEY_PREFIX": "session",
        "ABSOLUTE_AGE": None,
        "ROLLING": False,
        "TOUCH_INTERVAL": 60,
        "EMPTY_AGE": 180,
        "OBSOLETE": "redis_sessions.obsolete.is_obsolete",
        "COMPRESS_MIN_LENGTH": None,
        "ENCRYPT": False,
        "REVALIDATE": 30,
        "CLOSE_CODES": {},
        "MAX_SESSIONS_PER_USER": None,
        "OVER_LIMIT": "replace",
        "DEVICES": "full",
        "TRUSTED_PROXIES": (),
        "RECORD_LAST_LOGIN": "database",
        "END_WITH_USER": True,
        "WAIT_REPLICAS": None,
    }


def test_a_site_without_settings_has_the_defaults(settings) -> None:
    assert not hasattr(settings, "REDIS_SESSIONS")
    assert config() == Config()


def test_a_change_of_the_settings_is_seen(settings) -> None:
    assert config().TOUCH_INTERVAL == 60
    settings.REDIS_SESSIONS = {"TOUCH_INTERVAL": 5}
    assert config().TOUCH_INTERVAL == 5
    settings.REDIS_SESSIONS = {}
    assert config().TOUCH_INTERVAL == 60


def test_settings_that_did_not_change_are_read_once() -> None:
    assert config() is config()


def test_settings_that_do_not_exist_are_named(settings) -> None:
    settings.REDIS_SESSIONS = {"PREFIX": "s", "KEY_PREFIX": "s", "AGE": 1}
    with pytest.raises(ImproperlyConfigured, match="has no setting AGE, PREFIX;"):
        config()


def test_a_method_of_the_configuration_is_no_setting(settings) -> None:
    settings.REDIS_SESSIONS = {"rolling": True}
    with pytest.raises(ImproperlyConfigured, match="has no setting rolling;"):
        config()


def test_the_connection_is_the_cache_named_sessions_if_there_is_one(settings) -> None:
    assert config().alias == "sessions"
    settings.CACHES = {"default": settings.CACHES["sessions"]}
    assert config().alias == "default"


def test_the_connection_is_the_cache_that_a_site_names(settings) -> None:
    settings.REDIS_SESSIONS = {"ALIAS": "other"}
    assert config().alias == "other"


@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("djangos", [False, True])
def test_reading_renews_where_our_setting_or_djangos_says_so(settings, ours, djangos) -> None:
    settings.REDIS_SESSIONS = {"ROLLING": ours}
    settings.SESSION_SAVE_EVERY_REQUEST = djangos
    assert config().rolling is (ours or djangos)


def test_the_test_for_obsolete_sessions_is_imported(settings) -> None:
    assert config().is_obsolete is is_obsolete
    settings.REDIS_SESSIONS = {"OBSOLETE": "tests.test_conf.never"}
    assert config().is_obsolete is never


def test_a_close_code_that_a_site_renumbers_is_sent_as_that_number(settings) -> None:
    settings.REDIS_SESSIONS = {"CLOSE_CODES": {"LOGGED_OUT": 4999}}
    assert CloseCode.LOGGED_OUT.number == 4999
    assert CloseCode.RENEWED.number == CloseCode.RENEWED


@pytest.mark.parametrize("secret", ["text", b"text"])
def test_keys_are_derived_from_the_secret_key_and_then_the_fallbacks(settings, secret) -> None:
    settings.SECRET_KEY = secret
    settings.SECRET_KEY_FALLBACKS = ["older", b"oldest"]
    secrets = (b"text", b"older", b"oldest")
    assert config().digest_keys == tuple(derive_key(key, b"digest") for key in secrets)
    assert config().signing_keys == tuple(derive_key(key, b"signature") for key in secrets)
    assert config().claim_keys == tuple(derive_key(key, b"claim") for key in secrets)


def test_a_change_of_the_secret_key_or_its_fallbacks_changes_the_keys(settings) -> None:
    keys = config().signing_keys
    settings.SECRET_KEY = "another"
    assert config().signing_keys != keys
    keys = config().signing_keys
    settings.SECRET_KEY_FALLBACKS = ["older"]
    assert config().signing_keys[:1] == keys
    assert len(config().signing_keys) == 2
