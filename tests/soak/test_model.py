"""The model finds what is wrong, and only that."""

from typing import Any

import pytest

from .model import Key, Kind, Model, View
from .registers import Register, Write


def register(*writes: Write) -> Register:
    return Register(list(writes))


def acknowledged(value: str, began: float, at: float) -> Write:
    write = Write(value, began)
    write.acknowledged(at)
    return write


def given_up(value: str, began: float, at: float) -> Write:
    write = Write(value, began)
    write.given_up(at)
    return write


def test_an_acknowledged_value_is_read_later() -> None:
    written = register(acknowledged("a", 1, 2))
    assert written.complaint("a", 3, 4) == ""
    assert written.complaint(None, 3, 4) != ""


def test_a_value_may_be_read_or_not_while_it_is_written() -> None:
    for value in (None, "a"):
        assert register(acknowledged("a", 1, 3)).complaint(value, 2, 4) == ""


def test_a_value_that_was_not_acknowledged_may_be_there_or_not() -> None:
    for value in ("a", "b"):
        written = register(acknowledged("a", 1, 2), given_up("b", 3, 4))
        assert written.complaint(value, 5, 6) == ""


def test_what_was_read_once_stays() -> None:
    written = register(acknowledged("a", 1, 2), given_up("b", 3, 4))
    assert written.complaint("b", 5, 6) == ""
    assert written.complaint("a", 7, 8) != ""


def test_what_was_given_up_does_not_come_back_over_what_was_acknowledged_later() -> None:
    written = register(given_up("a", 1, 2), acknowledged("b", 3, 4))
    assert written.complaint("a", 5, 6) != ""


def test_of_two_writes_at_the_same_time_either_may_be_the_later() -> None:
    for value in ("a", "b"):
        written = register(acknowledged("a", 1, 3), acknowledged("b", 2, 4))
        assert written.complaint(value, 5, 6) == ""


def test_a_value_that_nobody_wrote_is_wrong() -> None:
    assert "never written" in register(acknowledged("a", 1, 2)).complaint("c", 3, 4)


def test_old_writes_are_forgotten_and_what_is_wrong_stays_wrong() -> None:
    written = Register()
    for number in range(500):
        written.begin(f"{number}", number).acknowledged(number + 0.5)
        assert written.complaint(f"{number}", number + 0.6, number + 0.7) == ""
    assert len(written.writes) < 250
    assert written.complaint("1", 500, 501) != ""
    assert written.complaint("498", 500, 501) != ""
    assert written.complaint("499", 500, 501) == ""


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def key(model: Model) -> Key:
    """The key of a session with one value, acknowledged at 2."""
    key = Key("k" * 40, model.begin())
    model.begin_write(key, "name", 1, 1).acknowledged(2)
    return key


HELD = {"owner": "s1", "name": "s1:name:1"}


def judge(model: Model, key: Key, held: dict[str, Any], began: float, **more: Any) -> list[Kind]:
    """Return what is found wrong with a read from ``began`` on, a second long."""
    model.judge(key, held, View("worker", began, began + 1, **more))
    return [finding.kind for finding in model.findings]


def test_what_a_living_session_holds_is_right(model: Model, key: Key) -> None:
    assert judge(model, key, HELD, 3) == []


def test_a_living_session_that_reads_as_empty_is_a_wrong_read(model: Model, key: Key) -> None:
    assert judge(model, key, {}, 3) == [Kind.READ]


def test_another_session_s_data_is_a_wrong_read(model: Model, key: Key) -> None:
    assert judge(model, key, {"owner": "s2"}, 3) == [Kind.READ]


def test_an_older_value_is_a_lost_save(model: Model, key: Key) -> None:
    model.begin_write(key, "name", 2, 3).acknowledged(4)
    assert judge(model, key, HELD, 5) == [Kind.LOST]


def test_an_open_socket_may_be_behind_but_not_for_long_and_not_with_its_own(
    model: Model, key: Key
) -> None:
    model.begin_write(key, "name", 2, 3).acknowledged(4)
    assert judge(model, key, HELD, 5, stale=2) == []
    assert judge(model, key, HELD, 5, stale=2, own="name") == [Kind.LOST]
    assert judge(model, key, HELD, 9, stale=2) == [Kind.LOST] * 2


def test_a_session_that_ended_and_is_read_is_revived(model: Model, key: Key) -> None:
    key.session.leaving, key.session.gone = 3, 4
    assert judge(model, key, HELD, 3.5) == []
    assert judge(model, key, {}, 3.5) == []
    assert judge(model, key, HELD, 5) == [Kind.REVIVED]


def test_a_key_that_was_refused_once_is_refused_for_good(model: Model, key: Key) -> None:
    key.leaving = 3
    assert judge(model, key, {}, 3) == []
    assert judge(model, key, HELD, 5) == [Kind.REVIVED]


def test_a_write_to_a_session_that_ended_is_no_write(model: Model, key: Key) -> None:
    key.session.leaving, key.session.gone = 3, 4
    model.written(key, 3.5, 6, "worker")
    assert model.findings == []
    model.written(key, 5, 6, "worker")
    assert [finding.kind for finding in model.findings] == [Kind.REVIVED]


def test_a_finding_tells_the_faults_and_the_history_of_its_session(model: Model, key: Key) -> None:
    model.weather.append((2.5, "black hole"))
    judge(model, key, HELD, 3)
    judge(model, key, {}, 5)
    told = str(model.findings[0])
    assert "fault: black hole" in told
    assert "worker with kkkk from 3.000: owner=s1 name=1" in told
