"""Operations: commands with the settings, the clock and the proofs filled in. No server needed."""

import time

import pytest

from redis_sessions import codec, operations, tokens
from redis_sessions.commands import records
from redis_sessions.conf import config
from redis_sessions.data import Delta
from redis_sessions.record import Record, Standing
from redis_sessions.tokens import SessionKey

KEY = SessionKey("0123456789abcd", "abcdefghijklmnopqrstuvwxyz")
DELTA = Delta({b"name": b"Ada"}, [b"gone"], replaces=False, assigned={})


def record(key: SessionKey = KEY, lives: int = 100) -> Record:
    now = operations.now()
    digest = tokens.digest(key, config().digest_keys[0])
    return Record(digest, now, 1, now + lives, None, b"", {})


def test_time_is_whole_seconds_by_the_clock_of_this_machine() -> None:
    before, now, after = time.time(), operations.now(), time.time()
    assert isinstance(now, int)
    assert int(before) <= now <= after


def test_the_key_of_a_record_has_the_prefix_of_the_settings(settings) -> None:
    assert operations.load(KEY).words == ("HGETALL", "session:{0123456789abcd}")
    settings.REDIS_SESSIONS = {"KEY_PREFIX": "site"}
    assert operations.load(KEY).words == ("HGETALL", "site:{0123456789abcd}")


def test_no_command_holds_the_secret() -> None:
    batch = [
        operations.load(KEY),
        operations.stored_digest(KEY),
        operations.create(KEY, 1, 2, None, DELTA),
        operations.save(KEY, 1, None, DELTA, empty=False),
        *operations.renew(KEY, {b"old": b"x" * 20}, DELTA),
        operations.touch(KEY, 1),
        operations.rotate(KEY, tokens.rotate_key(KEY)),
        operations.end(KEY),
    ]
    assert len(batch) == 8
    assert KEY.secret not in repr([command.words for command in batch])


def test_the_age_without_a_limit_is_forever(settings) -> None:
    assert operations.absolute_age() == records.FOREVER
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": 3600}
    assert operations.absolute_age() == 3600


def test_a_limit_of_zero_seconds_is_a_limit(settings) -> None:
    settings.REDIS_SESSIONS = {"ABSOLUTE_AGE": 0}
    assert operations.absolute_age() == 0


def test_values_are_sealed_for_their_session_and_field_with_the_first_key(settings) -> None:
    settings.SECRET_KEY_FALLBACKS = ["older"]
    words = operations.create(KEY, 1, 2, None, DELTA).words
    sealed = words[words.index(b"name") + 1]
    assert codec.unseal(KEY.id, b"name", sealed, config().signing_keys) == (b"Ada", 0)


def test_a_renewal_leaves_out_what_the_delta_writes() -> None:
    stale = dict.fromkeys((b"name", b"gone", b"kept"), b"s" * 12 + b"value")
    (renewal,) = operations.renew(KEY, stale, DELTA)
    fresh = codec.seal(KEY.id, b"kept", b"value", config().signing_keys[0])
    assert renewal.words[5:] == (b"kept", stale[b"kept"], fresh)


@pytest.mark.parametrize(
    ("stale", "delta"),
    [
        ({}, DELTA),
        ({b"name": b"s" * 13, b"gone": b"s" * 13}, DELTA),
        ({b"kept": b"s" * 13}, DELTA._replace(replaces=True)),
    ],
    ids=["nothing stale", "all written", "all replaced"],
)
def test_nothing_is_renewed_where_nothing_old_stays(stale, delta) -> None:
    assert operations.renew(KEY, stale, delta) == []


def test_a_key_is_current_to_its_own_record() -> None:
    assert operations.standing(KEY, record()) is Standing.CURRENT


@pytest.mark.parametrize("lives", [0, -100])
def test_a_key_is_wrong_to_a_record_that_has_expired(lives: int) -> None:
    assert operations.standing(KEY, record(lives=lives)) is Standing.WRONG


def test_a_key_is_wrong_to_another_record_and_to_none() -> None:
    assert operations.standing(KEY, record(tokens.rotate_key(KEY))) is Standing.WRONG
    assert operations.standing(KEY, None) is Standing.WRONG


def test_a_key_holds_the_record_with_its_digest_under_any_secret_key(settings) -> None:
    digest = record().digest
    assert operations.holds(KEY, digest)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert operations.holds(KEY, digest)
    settings.SECRET_KEY_FALLBACKS = []
    assert not operations.holds(KEY, digest)


def test_a_key_holds_no_record_that_is_missing() -> None:
    assert not operations.holds(KEY, None)
    assert not operations.holds(tokens.rotate_key(KEY), record().digest)
