"""A session's data and serializers: values they cannot read, equal values that they write apart."""

import logging

import pytest
from django.core.signing import JSONSerializer

from redis_sessions.data import SessionData
from tests.mappings import loaded, saved, written
from tests.serializers import ForgetfulSerializer, PickleSerializer, SaltedSerializer

JSON = JSONSerializer()
EXPECTED = (
    "Session 0123456789abcd: the value of 'lost' cannot be decoded (AttributeError);"
    " it reads as absent."
)


def forgotten() -> SessionData:
    return loaded(ForgetfulSerializer(), lost=["forgotten"], kept=1)


def test_an_undecodable_value_reads_as_absent() -> None:
    data = forgotten()
    assert dict(data) == {"kept": 1}
    assert (len(data), "lost" in data, data.get("lost")) == (1, False, None)
    with pytest.raises(KeyError, match="'lost'"):
        data["lost"]


def test_an_undecodable_value_can_be_met_first_in_any_way() -> None:
    assert "lost" not in forgotten()
    assert forgotten().pop("lost", 0) == 0
    assert list(forgotten().values()) == [1]
    assert not loaded(ForgetfulSerializer(), lost=["forgotten"])
    with pytest.raises(KeyError, match="'lost'"):
        del forgotten()["lost"]


def test_an_undecodable_value_is_not_removed_by_a_save() -> None:
    data = forgotten()
    assert "lost" not in data
    assert not data.delta()
    data["kept"] = 2
    delta = saved(data)
    assert (written(delta), delta.removed) == ({"kept": 2}, [])


def test_an_undecodable_value_goes_when_its_key_is_written() -> None:
    data = forgotten()
    assert "lost" not in data
    data["lost"] = 1
    assert written(saved(data)) == {"lost": 1}
    del data["lost"]
    assert saved(data).removed == [b"lost"]


def test_an_undecodable_value_is_logged_once_by_id_and_key_without_data(caplog) -> None:
    data = forgotten()
    with caplog.at_level(logging.WARNING, "django.security.SuspiciousSession"):
        assert [data.get("lost"), data.get("lost")] == [None, None]
    assert [record.getMessage() for record in caplog.records] == [EXPECTED]
    assert caplog.records[0].exc_info is None


@pytest.mark.parametrize("payload", [b"\x02?", b"\x00{", b"\xff", b"\x1f"])
def test_a_payload_of_another_release_or_serializer_reads_as_absent(payload: bytes) -> None:
    assert dict(SessionData(JSON, {"lost": payload, "kept": b"text"})) == {"kept": "text"}


def test_a_pickle_of_an_older_protocol_is_no_change() -> None:
    data = SessionData(PickleSerializer(), {"items": b"\x00(lp0\nI1\naI2\na."})
    assert data["items"] == [1, 2]
    assert not data.delta()
    data["items"].append(3)
    assert written(data.delta(), PickleSerializer()) == {"items": [1, 2, 3]}


def test_a_value_that_nobody_changed_is_not_written_by_a_salting_serializer() -> None:
    data = loaded(SaltedSerializer(), items=[1])
    assert data["items"] == [1]
    assert not data.changed_in_place()
    assert not data.delta()


def test_a_nested_change_is_found_with_a_salting_serializer() -> None:
    data = loaded(SaltedSerializer(), items=[1], flag=[1])
    data["items"].append(2)
    data["flag"][0] = 2
    assert written(data.delta(), SaltedSerializer()) == {"items": [1, 2], "flag": [2]}
