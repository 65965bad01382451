"""The commands and their scripts on the real server: what each does, and its replies."""

import pytest
import redis

from redis_sessions.commands import records, server
from redis_sessions.commands.records import FOREVER, Outcome
from redis_sessions.record import Record
from tests.builders import (
    HELD,
    NEXT,
    NOW,
    OTHER,
    RECORD,
    create,
    end,
    read,
    renew,
    rotate,
    run,
    save,
    touch,
)


def test_the_key_of_a_record_holds_its_id_as_a_hash_tag() -> None:
    assert records.record_key("session", "0123456789abcd") == RECORD


def test_forever_can_be_added_to_a_time_and_still_be_a_time_of_the_server() -> None:
    assert run(create())
    assert run(save(age=FOREVER))[:2] == (Outcome.DONE, 2)
    assert read().expiry == NOW + FOREVER


def test_create_stores_a_record(redis_client: redis.Redis) -> None:
    assert run(create(name=b"Ada")) is True
    assert read() == Record(HELD, NOW, 1, NOW + 100, None, b"", {b"name": b"Ada"})
    assert redis_client.expiretime(RECORD) == NOW + 100


def test_create_notes_an_idle_time_that_is_not_the_default() -> None:
    assert run(create(idle=0))
    assert read().idle == 0


def test_create_refuses_an_id_that_is_taken() -> None:
    assert run(create(name=b"Ada"))
    assert run(create(digest=OTHER, name=b"Eve")) is False
    assert (read().digest, read().fields) == (HELD, {b"name": b"Ada"})


def test_create_of_what_has_expired_already_stores_nothing(redis_client: redis.Redis) -> None:
    assert run(create(age=0, name=b"Ada")) is True
    assert run(create(age=-5, name=b"Ada")) is True
    assert redis_client.dbsize() == 0


@pytest.mark.parametrize("number", [0, 1, 499, 500, 501, 2000])
def test_create_and_save_take_any_number_of_fields(number: int) -> None:
    fields = {f"f{n}": b"%d" % n for n in range(number)}
    assert run(create(**fields))
    assert len(read().fields) == number
    changed = {name.encode(): value + b"!" for name, value in fields.items()}
    assert run(save(changed=changed)).outcome is Outcome.DONE
    assert read().fields == changed
    assert run(save(removed=list(changed))).outcome is Outcome.DONE
    assert read().fields == {}


def test_save_sets_and_deletes_fields_and_leaves_the_rest() -> None:
    run(create(kept=b"1", changed=b"1", removed=b"1"))
    saved = run(save(changed={b"changed": b"2", b"added": b"2"}, removed=[b"removed", b"never"]))
    assert saved[:2] == (Outcome.DONE, 2)
    assert read().fields == {b"kept": b"1", b"changed": b"2", b"added": b"2"}


def test_save_counts_versions_and_renews_the_expiry(redis_client: redis.Redis) -> None:
    run(create(name=b"Ada"))
    assert [run(save(now=NOW + n)).version for n in (1, 2, 3)] == [2, 3, 4]
    assert (read().version, read().expiry) == (4, NOW + 203)
    assert redis_client.expiretime(RECORD) == NOW + 203


def test_save_that_replaces_drops_every_field_but_those_of_the_record_itself() -> None:
    run(create(idle=5, a=b"1", b=b"1"), rotate(NEXT), rotate())
    run(save(NEXT, replaces=True, changed={b"b": b"2", b"c": b"2"}, idle=5))
    after = read()
    assert after.fields == {b"b": b"2", b"c": b"2"}
    assert (after.created, after.idle, after.previous) == (NOW, 5, HELD + b"%d" % NOW)


def test_save_keeps_to_the_absolute_age() -> None:
    run(create(name=b"Ada"))
    run(save(now=NOW + 50, age=200, absolute_age=120))
    assert read().expiry == NOW + 120


def test_save_at_the_end_of_the_absolute_age_leaves_no_record(redis_client: redis.Redis) -> None:
    run(create(name=b"Ada"))
    run(save(absolute_age=-NOW))
    assert redis_client.dbsize() == 0


def test_save_notes_the_idle_time_and_forgets_it_where_it_is_the_default() -> None:
    run(create(name=b"Ada"))
    run(save(idle=300))
    assert read().idle == 300
    run(save(idle=None))
    assert read().idle is None


def test_save_of_a_record_without_data_gives_it_a_short_life() -> None:
    run(create(name=b"Ada"))
    run(save(removed=[b"name"], empty_age=30))
    assert (read().expiry, read().idle) == (NOW + 30, 30)
    run(save(changed={b"name": b"Ada"}, empty_age=None))
    assert (read().expiry, read().idle) == (NOW + 200, None)


def test_save_gives_the_full_life_where_others_have_put_data() -> None:
    run(create(mine=b"1", others=b"1"))
    run(save(removed=[b"mine"], empty_age=30))
    assert (read().expiry, read().idle) == (NOW + 200, None)


def test_a_short_life_is_not_longer_than_the_usual_one() -> None:
    run(create())
    run(save(age=20, empty_age=30))
    assert read().expiry == NOW + 20


def test_save_ends_the_record_at_the_version_that_was_given(redis_client: redis.Redis) -> None:
    run(create(name=b"Ada"))
    assert run(save(removed=[b"name"], ends_at=1)).outcome is Outcome.ENDED
    assert redis_client.dbsize() == 0


def test_save_does_not_end_a_record_of_another_version() -> None:
    run(create(name=b"Ada"))
    run(save(changed={b"other": b"1"}))
    assert run(save(removed=[b"name"], ends_at=1))[:2] == (Outcome.DONE, 3)
    assert read().fields == {b"other": b"1"}


def test_save_under_an_old_secret_key_stores_the_digest_under_the_present_one() -> None:
    run(create(name=b"Ada"))
    assert run(save(NEXT + OTHER + HELD)).outcome is Outcome.DONE
    assert read().digest == NEXT


def test_renew_replaces_only_what_is_still_as_it_was_read() -> None:
    run(create(mine=b"old", others=b"theirs"))
    again = renew(mine=(b"old", b"new"), others=(b"old", b"new"), gone=(b"old", b"new"))
    assert run(again) == 1
    assert read().fields == {b"mine": b"new", b"others": b"theirs"}
    assert read().version == 1


def test_rotate_exchanges_the_digest_and_notes_the_previous_one() -> None:
    run(create(name=b"Ada"))
    assert run(rotate(now=NOW + 7)).outcome is Outcome.DONE
    after = read()
    assert (after.digest, after.previous) == (NEXT, HELD + b"%d" % (NOW + 7))
    assert (after.version, after.expiry, after.fields) == (2, NOW + 100, {b"name": b"Ada"})


def test_rotate_accepts_a_digest_under_an_old_secret_key() -> None:
    run(create())
    assert run(rotate(OTHER + HELD)).outcome is Outcome.DONE
    assert read().previous == HELD + b"%d" % NOW


def test_touch_renews_the_expiry_and_writes_nothing_else(redis_client: redis.Redis) -> None:
    run(create(name=b"Ada"))
    assert run(touch()).outcome is Outcome.TOUCHED
    assert read() == Record(HELD, NOW, 1, NOW + 200, None, b"", {b"name": b"Ada"})
    assert redis_client.expiretime(RECORD) == NOW + 200


def test_touch_writes_only_what_gains_the_interval() -> None:
    run(create(name=b"Ada"))
    assert run(touch(idle=159)).outcome is Outcome.DONE
    assert read().expiry == NOW + 100
    assert run(touch(idle=160)).outcome is Outcome.TOUCHED
    assert read().expiry == NOW + 160


def test_touch_never_shortens_a_life() -> None:
    run(create(name=b"Ada"))
    assert run(touch(idle=10)).outcome is Outcome.DONE
    assert read().expiry == NOW + 100


def test_touch_keeps_to_the_absolute_age() -> None:
    run(create(name=b"Ada"))
    assert run(touch(idle=900, absolute_age=300)).outcome is Outcome.TOUCHED
    assert read().expiry == NOW + 300
    assert run(touch(now=NOW + 250, idle=900, absolute_age=300)).outcome is Outcome.DONE


def test_touch_goes_by_the_idle_time_of_the_record() -> None:
    run(create(idle=500))
    assert run(touch(idle=200)).outcome is Outcome.TOUCHED
    assert read().expiry == NOW + 500


@pytest.mark.parametrize("idle", [0, -5])
@pytest.mark.parametrize("now", [NOW, NOW + 200])
def test_touch_leaves_a_fixed_expiry_alone(idle: int, now: int) -> None:
    run(create(idle=idle))
    assert run(touch(now=now, idle=10_000)).outcome is Outcome.DONE
    assert read().expiry == NOW + 100


def test_end_removes_the_record(redis_client: redis.Redis) -> None:
    run(create(name=b"Ada"))
    assert run(end()).outcome is Outcome.ENDED
    assert redis_client.dbsize() == 0


def test_end_accepts_a_digest_under_an_old_secret_key() -> None:
    run(create())
    assert run(end(OTHER + HELD)).outcome is Outcome.ENDED


def test_the_stored_digest_is_read_alone() -> None:
    assert run(records.stored_digest(RECORD)) is None
    run(create(name=b"Ada"))
    assert run(records.stored_digest(RECORD)) == HELD


def test_a_record_that_is_missing_is_none() -> None:
    assert read() is None


def test_the_eviction_policy_of_the_server_is_read(redis_client: redis.Redis) -> None:
    assert run(server.eviction_policy()) == "noeviction"
    redis_client.config_set("maxmemory-policy", "volatile-ttl")
    try:
        assert run(server.eviction_policy()) == "volatile-ttl"
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")


def test_a_server_that_does_not_tell_its_eviction_policy_has_none() -> None:
    assert server.eviction_policy().parse(b"used_memory:1\r\n") is None
