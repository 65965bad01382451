"""Which sessions hold nothing worth a record."""

from typing import Any

import pytest

from redis_sessions.data import SessionData
from redis_sessions.obsolete import is_obsolete


class Unable:
    """A serializer that nobody is to ask."""

    def dumps(self, obj: Any) -> bytes:
        raise AssertionError

    def loads(self, data: bytes) -> Any:
        raise AssertionError(data)


@pytest.mark.parametrize("nothing", [None, {}, [], (), set(), {"a": 1}.keys() - {"a"}], ids=repr)
def test_none_and_empty_containers_are_not_data(nothing: Any) -> None:
    assert is_obsolete({"a": nothing, "b": None})


def test_a_session_without_any_entry_is_obsolete() -> None:
    assert is_obsolete({})


@pytest.mark.parametrize("value", [0, 300, "2030-01-01T00:00:00+00:00", None])
def test_how_long_a_session_lives_is_not_data(value: Any) -> None:
    assert is_obsolete({"_session_expiry": value})


@pytest.mark.parametrize(
    "value", [False, 0, 0.0, "", b"", "0", [None], {"a": None}, [[]]], ids=repr
)
def test_everything_else_is_data(value: Any) -> None:
    assert not is_obsolete({"a": value})
    assert not is_obsolete({"_session_expiry": 300, "a": value, "b": None})


def test_a_text_is_found_without_decoding_anything() -> None:
    serializer = Unable()
    payloads = {"_session_expiry": b"2030", "basket": b"\x00{}", "name": b"Ada"}
    assert not is_obsolete(SessionData(serializer, payloads))
    payloads["name"] = b"\x01" + bytes(32)
    data = SessionData(serializer, payloads)
    assert not is_obsolete(data)
    assert not data.hides  # as it would, had it tried


def test_a_text_that_was_set_or_removed_counts_as_it_is_now() -> None:
    data = SessionData(Unable(), {"name": b"Ada"})
    del data["name"]
    assert is_obsolete(data)
    data["name"] = "Ada"
    assert not is_obsolete(data)
