"""Which sessions hold nothing worth a record."""

from typing import Any

import pytest

from redis_sessions.obsolete import is_obsolete


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
