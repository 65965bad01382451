"""The record: read from a reply, held against a secret, opened with the signing keys."""

from typing import Any

import pytest

from redis_sessions import codec
from redis_sessions.record import Record, Standing, Unreadable

ID = "0123456789abcd"
NEW, OLD, OTHER = b"n" * 16, b"o" * 16, b"x" * 16
KEY, FALLBACK = b"k" * 32, b"f" * 32
NOW = 2_000_000_000

META = {b"\0k": NEW, b"\0c": b"1900000000", b"\0v": b"7", b"\0x": b"2100000000"}


def record(**changes: Any) -> Record:
    values = {
        "digest": NEW,
        "created": NOW - 100,
        "version": 1,
        "expiry": NOW + 100,
        "idle": None,
        "previous": b"",
        "fields": {},
    }
    return Record(**(values | changes))


def flat(fields: dict[bytes, bytes]) -> list[bytes]:
    return [item for pair in fields.items() for item in pair]


@pytest.mark.parametrize("shape", [flat, dict], ids=["list", "mapping"])
def test_a_reply_is_split_into_meta_fields_and_data(shape) -> None:
    read = Record.from_reply(shape({**META, b"\0i": b"60", b"\0p": OLD + b"1", b"name": b"Ada"}))
    assert read == Record(
        digest=NEW,
        created=1_900_000_000,
        version=7,
        expiry=2_100_000_000,
        idle=60,
        previous=OLD + b"1",
        fields={b"name": b"Ada"},
    )


def test_the_idle_time_and_the_previous_digest_may_be_missing() -> None:
    read = Record.from_reply(flat(META))
    assert (read.idle, read.previous, read.fields) == (None, b"", {})


@pytest.mark.parametrize("reply", [[], {}])
def test_an_empty_reply_is_no_record(reply: Any) -> None:
    assert Record.from_reply(reply) is None


def test_meta_fields_of_a_later_release_are_no_data() -> None:
    assert Record.from_reply(flat({**META, b"\0z": b"?", b"\0": b"?"})).fields == {}


@pytest.mark.parametrize("name", META)
def test_a_record_without_one_of_its_meta_fields_is_unreadable(name: bytes) -> None:
    with pytest.raises(Unreadable, match="missing"):
        Record.from_reply(flat({field: META[field] for field in META if field != name}))


@pytest.mark.parametrize("name", [b"\0c", b"\0v", b"\0x", b"\0i"])
@pytest.mark.parametrize(
    "value",
    [b"", b"soon", b"1.5", b"1e9", b"nan", b"\xff", b"9" * 5000],
    ids=lambda value: repr(value)[:16],
)
def test_a_record_with_a_meta_field_that_is_no_number_is_unreadable(name, value) -> None:
    with pytest.raises(Unreadable, match="not a number"):
        Record.from_reply(flat({**META, name: value}))


def test_the_present_secret_is_current_under_any_key() -> None:
    assert record().standing([NEW], NOW) is Standing.CURRENT
    assert record().standing([OTHER, NEW], NOW) is Standing.CURRENT


def test_another_secret_is_wrong() -> None:
    assert record().standing([OTHER], NOW) is Standing.WRONG
    assert record().standing([], NOW) is Standing.WRONG


@pytest.mark.parametrize("seconds", [0, 9])
def test_the_secret_before_the_last_rotation_is_superseded_for_10_seconds(seconds: int) -> None:
    rotated = record(previous=OLD + str(NOW).encode())
    assert rotated.standing([OLD], NOW + seconds) is Standing.SUPERSEDED
    assert rotated.standing([OTHER, OLD], NOW + seconds) is Standing.SUPERSEDED


def test_the_secret_before_the_last_rotation_is_wrong_after_10_seconds() -> None:
    assert record(previous=OLD + str(NOW).encode()).standing([OLD], NOW + 10) is Standing.WRONG


def test_the_present_secret_is_current_also_just_after_a_rotation() -> None:
    assert record(previous=OLD + str(NOW).encode()).standing([NEW], NOW) is Standing.CURRENT


@pytest.mark.parametrize(
    "previous",
    [b"", OLD, OLD[:8], OLD + b"soon", OLD + b"-1", OLD + b" 2000000000", OLD + b"9" * 5000],
    ids=lambda previous: repr(previous)[:24],
)
def test_a_damaged_note_of_the_last_rotation_makes_no_secret_superseded(previous: bytes) -> None:
    assert record(previous=previous).standing([OLD, OLD[:8]], NOW) is Standing.WRONG


def sealed(name: bytes, payload: bytes, key: bytes = KEY) -> dict[bytes, bytes]:
    return {name: codec.seal(ID, name, payload, key)}


def test_an_opened_record_gives_payloads_by_key() -> None:
    opened = record(fields=sealed(b"name", b"Ada") | sealed("ü".encode(), b"\x001"))
    assert opened.unseal(ID, [KEY, FALLBACK]) == ({"name": b"Ada", "ü": b"\x001"}, {})


def test_an_opened_record_gives_as_stored_what_an_old_key_had_signed() -> None:
    old = sealed(b"old", b"1", FALLBACK)
    opened = record(fields=old | sealed(b"new", b"2"))
    assert opened.unseal(ID, [KEY, FALLBACK]) == ({"old": b"1", "new": b"2"}, old)


def test_one_wrong_signature_makes_the_whole_record_unreadable() -> None:
    forged = record(fields=sealed(b"name", b"Ada") | {b"admin": b"?" * 12 + b"\x00true"})
    with pytest.raises(Unreadable, match="admin") as caught:
        forged.unseal(ID, [KEY])
    assert "true" not in str(caught.value)


def test_a_signed_field_with_a_name_that_is_no_text_makes_the_record_unreadable() -> None:
    with pytest.raises(Unreadable, match="xff"):
        record(fields=sealed(b"\xff", b"Ada")).unseal(ID, [KEY])
