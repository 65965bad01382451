"""Several objects over one record: no update is lost, whatever the order of loads and saves."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from redis_sessions.session import SessionStore
from tests.clocks import FORTNIGHT, HOUR, About, life
from tests.conftest import Do
from tests.observers import again
from tests.serializers import (
    CountingSerializer,
    ForgetfulSerializer,
    PickleSerializer,
    SaltedSerializer,
    path,
)


def pair(session: SessionStore) -> tuple[SessionStore, SessionStore]:
    return again(session), again(session)


def test_two_objects_that_change_different_keys_both_win(do: Do, stored) -> None:
    session = stored(a=0, b=0)
    one, two = pair(session)
    do(one.update, {"a": 1})
    do(two.update, {"b": 2})
    do(one.save)
    do(two.save)
    assert dict(do(again(session).items)) == {"a": 1, "b": 2}


def test_of_two_changes_to_one_key_the_later_save_wins(do: Do, stored) -> None:
    session = stored(a=0)
    one, two = pair(session)
    do(one.update, {"a": 1})
    do(two.update, {"a": 2})
    do(two.save)
    do(one.save)
    assert dict(do(again(session).items)) == {"a": 1}


def test_a_value_that_was_read_only_does_not_overwrite_anothers_change(do: Do, stored) -> None:
    session = stored(basket={"tea": [1]}, name="Ada")
    one, two = pair(session)
    assert do(one.get, "basket") == {"tea": [1]}
    do(two.get, "basket")["tea"].append(2)
    do(two.save)
    do(one.update, {"name": "Eve"})
    do(one.save)
    assert dict(do(again(session).items)) == {"basket": {"tea": [1, 2]}, "name": "Eve"}


def test_a_removal_does_not_come_back_by_anothers_save(do: Do, stored) -> None:
    session = stored(a=1, b=[1])
    one, two = pair(session)
    assert do(two.get, "b") == [1]
    do(one.pop, "b")
    do(one.save)
    do(two.update, {"a": 2})
    do(two.save)
    assert dict(do(again(session).items)) == {"a": 2}


def test_removals_of_different_keys_both_win(do: Do, stored) -> None:
    session = stored(a=1, b=1, c=1)
    one, two = pair(session)
    do(one.pop, "a")
    do(two.pop, "b")
    do(one.save)
    do(two.save)
    assert dict(do(again(session).items)) == {"c": 1}


def test_clear_removes_also_what_others_have_written_meanwhile(do: Do, stored) -> None:
    session = stored(a=1)
    one, two = pair(session)
    do(two.update, {"b": 2})
    do(two.save)
    one.clear()
    do(one.update, {"c": 3})
    do(one.save)
    assert dict(do(again(session).items)) == {"c": 3}


def test_only_the_first_save_after_clear_removes_what_others_write(do: Do, stored) -> None:
    session = stored(a=1)
    one, two = pair(session)
    one.clear()
    do(one.update, {"c": 3})
    do(one.save)
    do(two.update, {"b": 2})
    do(two.save)
    do(one.update, {"d": 4})
    do(one.save)
    assert dict(do(again(session).items)) == {"c": 3, "b": 2, "d": 4}


@pytest.mark.parametrize(
    ("before", "theirs", "seconds"),
    [
        (None, 300, 300),
        (600, 300, 300),
        (300, 2 * FORTNIGHT, 2 * FORTNIGHT),
        (300, None, FORTNIGHT),
        (None, timedelta(hours=1), HOUR),
        (timedelta(hours=1), 300, 300),
    ],
    ids=repr,
)
def test_what_others_set_for_the_life_of_a_session_is_not_undone(
    do: Do, stored, redis_client, before, theirs, seconds
) -> None:
    session = stored(name="Ada")
    do(session.set_expiry, before)
    do(session.save)
    one, two = pair(session)
    assert do(one.get, "name") == do(two.get, "name") == "Ada"
    do(two.set_expiry, theirs)
    do(two.save)
    do(one.update, {"name": "Eve"})
    do(one.save)
    assert life(redis_client, session) == About(seconds)


@pytest.mark.parametrize("serializer", [PickleSerializer, SaltedSerializer, CountingSerializer])
def test_no_update_is_lost_with_any_serializer(do: Do, stored, settings, serializer) -> None:
    settings.SESSION_SERIALIZER = path(serializer)
    session = stored(basket={"tea": [1]}, items=[1], name="Ada")
    one, two = pair(session)
    assert do(one.get, "basket") == do(two.get, "basket") == {"tea": [1]}
    do(two.get, "basket")["tea"].append(2)
    do(one.get, "items").append(2)
    do(two.save)
    do(one.save)
    assert dict(do(again(session).items)) == {
        "basket": {"tea": [1, 2]},
        "items": [1, 2],
        "name": "Ada",
    }


def test_objects_of_any_class_are_kept_by_a_serializer_that_can(do: Do, stored, settings) -> None:
    settings.SESSION_SERIALIZER = path(PickleSerializer)
    session = again(stored(numbers={1, 2}, point=(1, b"2")))
    do(session.get, "numbers").add(3)
    do(session.save)
    assert dict(do(again(session).items)) == {"numbers": {1, 2, 3}, "point": (1, b"2")}


def test_a_session_of_which_one_value_cannot_be_decoded_keeps_it(do, stored, settings) -> None:
    session = stored(lost=["forgotten"], name="Ada")
    settings.SESSION_SERIALIZER = path(ForgetfulSerializer)
    reader = again(session)
    assert dict(do(reader.items)) == {"name": "Ada"}
    do(reader.update, {"name": "Eve"})
    do(reader.save)
    do(reader.pop, "name")
    do(reader.save)
    settings.SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
    assert do(again(session).get, "lost") == ["forgotten"]


def test_a_session_of_which_no_value_can_be_decoded_is_not_obsolete(do, stored, settings) -> None:
    session = again(stored(lost=["forgotten"]))
    settings.SESSION_SERIALIZER = path(ForgetfulSerializer)
    reader = again(session)
    assert do(reader.get, "lost") is None
    assert not reader.is_obsolete()


KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from([0, 1, True, None, "", "text", "ab" * 16, [], [1], {"x": [1]}])
STEP = st.one_of(
    st.tuples(st.just("set"), KEYS, VALUES),
    st.tuples(st.just("mutate"), KEYS, st.integers(0, 9)),
    st.tuples(st.just("remove"), KEYS),
    st.tuples(st.just("read"), KEYS),
    st.tuples(st.just("clear")),
    st.tuples(st.just("save")),
    st.tuples(st.just("rotate")),
    st.tuples(st.just("reload")),
)
STEPS = st.lists(st.tuples(st.integers(0, 1), STEP), max_size=25)


class Model:
    """What one object should hold and write, in plain dicts. ``truth`` is the shared record."""

    def __init__(self, truth: dict[str, Any]) -> None:
        self.truth = truth
        self.view = copy.deepcopy(truth)
        self.base = copy.deepcopy(truth)
        self.assigned: set[str] = set()
        self.replaces = False

    def set(self, key: str, value: Any) -> None:
        self.view[key] = copy.deepcopy(value)
        self.assigned.add(key)

    def remove(self, key: str) -> None:
        self.view.pop(key, None)
        self.assigned.discard(key)

    def clear(self) -> None:
        self.view, self.base, self.assigned, self.replaces = {}, {}, set(), True

    def save(self) -> None:
        if self.replaces:
            self.truth.clear()
        for key in self.base.keys() - self.view.keys():
            self.truth.pop(key, None)
        for key, value in self.view.items():
            if key in self.assigned or repr(value) != repr(self.base.get(key, ...)):
                self.truth[key] = copy.deepcopy(value)
        self.base, self.assigned, self.replaces = copy.deepcopy(self.view), set(), False


def mutate(mapping: Any, key: str, number: int) -> None:
    value = mapping.get(key)
    if isinstance(value, list):
        value.append(number)
    elif isinstance(value, dict):
        value.setdefault("x", []).append(number)


class Pair:
    """One object, and its model beside it."""

    def __init__(self, do: Do, session: SessionStore, truth: dict[str, Any]) -> None:
        self.do, self.session, self.model = do, session, Model(truth)
        do(session.items)

    def set(self, key: str, value: Any) -> None:
        self.do(self.session.update, {key: copy.deepcopy(value)})
        self.model.set(key, value)

    def mutate(self, key: str, number: int) -> None:
        mutate(dict(self.do(self.session.items)), key, number)
        mutate(self.model.view, key, number)

    def remove(self, key: str) -> None:
        self.do(self.session.pop, key, None)
        self.model.remove(key)

    def read(self, key: str) -> None:
        assert repr(self.do(self.session.get, key)) == repr(self.model.view.get(key))

    def clear(self) -> None:
        self.session.clear()
        self.model.clear()
        self.set("pin", 1)  # a session without data would end, which is another matter

    def save(self) -> None:
        self.do(self.session.save)
        self.model.save()


@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_any_sequence_of_operations_on_two_objects_loses_nothing(do: Do, stored, steps) -> None:
    session = stored(pin=1, a=[1], b="text")
    truth = {"pin": 1, "a": [1], "b": "text"}
    pairs = [Pair(do, again(session), truth) for _ in range(2)]
    for number, (name, *words) in steps:
        if name == "reload":
            pairs[number] = Pair(do, again(session), truth)
        elif name == "rotate":
            do(session.cycle_key)
            pairs = [Pair(do, again(session), truth) for _ in range(2)]
        else:
            getattr(pairs[number], name)(*words)
    for each in pairs:
        assert sorted(map(repr, do(each.session.items))) == sorted(
            map(repr, each.model.view.items())
        )
        each.save()
    found = dict(do(again(session).items))
    assert sorted(map(repr, found.items())) == sorted(map(repr, truth.items()))
