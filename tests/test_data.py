"""A session's data: decoded at first use, and a delta that holds what changed and nothing else."""

import pytest
from django.core.signing import JSONSerializer

from redis_sessions.data import SessionData
from tests.mappings import loaded, saved, written
from tests.serializers import CountingSerializer

JSON = JSONSerializer()


@pytest.fixture
def counting() -> CountingSerializer:
    CountingSerializer.reset()
    return CountingSerializer()


def test_it_is_a_mapping() -> None:
    data = loaded(a=1, b=[2])
    data["c"] = "3"
    assert dict(data) == {"a": 1, "b": [2], "c": "3"}
    assert (len(data), list(data), "a" in data, "d" in data) == (3, ["a", "b", "c"], True, False)
    assert data.pop("a") == 1
    assert data.pop("a", None) is None
    assert data.setdefault("b", 0) == [2]
    assert data == {"b": [2], "c": "3"}


def test_a_key_that_is_missing_is_a_key_error() -> None:
    for missing in (lambda data: data["x"], lambda data: data.pop("x")):
        with pytest.raises(KeyError, match="'x'"):
            missing(loaded(a=1))
    with pytest.raises(KeyError, match="'x'"):
        del loaded(a=1)["x"]


def test_it_is_false_without_data() -> None:
    assert not loaded()
    assert loaded(nothing=None)


def test_its_representation_shows_no_data() -> None:
    assert repr(loaded(name="Ada")) == "<SessionData of session 0123456789abcd>"


def test_a_value_is_decoded_at_its_first_use_and_once(counting: CountingSerializer) -> None:
    data = loaded(counting, read=[1], unread=[2])
    assert counting.loaded == []
    assert (data["read"], data["read"]) == ([1], [1])
    assert counting.loaded == [b"[1]"]


def test_data_that_nobody_changed_has_no_delta() -> None:
    data = loaded(text="a", number=1, items=[1], deep={"a": {"b": [1]}})
    assert not data.delta()
    assert dict(data)
    assert not data.delta()
    assert not data.changed_in_place()


def test_values_that_nobody_asked_for_cost_nothing_at_a_save(counting) -> None:
    data = loaded(counting, items=[1], deep={"a": [1]})
    counting.reset()
    data.delta()
    assert (counting.dumped, counting.loaded) == ([], [])


@pytest.mark.parametrize("value", ["\x01marked", 7, 1.5, True, None], ids=repr)
def test_immutable_values_that_were_read_cost_nothing_at_a_save(counting, value) -> None:
    data = loaded(counting, value=value)
    assert data["value"] == value
    counting.reset()
    assert not data.changed_in_place()
    assert not data.delta()
    assert (counting.dumped, counting.loaded) == ([], [])


def test_mutable_values_that_nobody_changed_are_serialised_but_not_read_again(counting) -> None:
    data = loaded(counting, items=[1], unread=[2])
    assert data["items"]
    counting.reset()
    assert not data.delta()
    assert (counting.dumped, counting.loaded) == ([[1]], [])


def test_a_delta_holds_what_was_assigned_and_removed() -> None:
    data = loaded(kept=1, changed=1, removed=1)
    data["changed"] = 2
    data["added"] = 3
    del data["removed"]
    delta = data.delta()
    assert written(delta) == {"changed": 2, "added": 3}
    assert delta.removed == [b"removed"]
    assert not delta.replaces


def test_what_was_assigned_is_in_the_delta_also_where_it_is_equal() -> None:
    data = loaded(a=1)
    data["a"] = 1
    assert written(data.delta()) == {"a": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda basket: basket["tea"].append(3),
        lambda basket: basket.update(milk=1),
        lambda basket: basket.pop("tea"),
        lambda basket: basket["deep"][0].update(a=2),
        lambda basket: basket["tea"].reverse(),
    ],
)
def test_a_nested_change_is_found(change) -> None:
    data = loaded(basket={"tea": [1, 2], "deep": [{"a": 1}]}, other=[1])
    assert data["other"]
    assert not data.changed_in_place()
    change(data["basket"])
    assert data.changed_in_place()
    assert written(data.delta()) == {"basket": data["basket"]}


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0, False)])
def test_a_nested_change_to_an_equal_value_of_another_type_is_found(before, after) -> None:
    data = loaded(items=[before])
    data["items"][0] = after
    assert repr(written(data.delta())["items"]) == repr([after])


def test_an_assignment_is_not_a_change_in_place() -> None:
    data = loaded(a=[1])
    data["a"] = [2]
    assert not data.changed_in_place()


def test_a_removal_is_found_without_an_assignment() -> None:
    data = loaded(a=1, b=2)
    del data["a"]
    assert data.changed_in_place()


def test_what_was_added_and_removed_again_is_in_no_delta() -> None:
    data = loaded(a=1)
    data["b"] = 2
    del data["b"]
    assert not data.delta()


def test_what_was_removed_and_added_again_is_written() -> None:
    data = loaded(a=1)
    del data["a"]
    data["a"] = 2
    delta = data.delta()
    assert (written(delta), delta.removed) == ({"a": 2}, [])


def test_a_settled_delta_is_not_saved_again() -> None:
    data = loaded(a=1, b=[1])
    data["a"] = 2
    data["b"].append(2)
    data["c"] = [3]
    assert saved(data)
    assert not data.delta()
    data["c"].append(4)
    assert written(saved(data)) == {"c": [3, 4]}


def test_what_changed_after_the_delta_was_computed_stays_to_be_saved() -> None:
    data = loaded(a=1, b=[1], c=1, d=1)
    data["a"] = 2
    data["d"] = 2
    data["b"].append(2)
    delta = data.delta()
    data["a"] = 3
    data["b"].append(3)
    del data["c"]
    del data["d"]
    data.settle(delta)
    late = data.delta()
    assert written(late) == {"a": 3, "b": [1, 2, 3]}
    assert sorted(late.removed) == [b"c", b"d"]


def test_a_delta_that_was_not_stored_is_computed_again() -> None:
    data = loaded(a=1)
    data["a"] = 2
    assert data.delta() == data.delta() != saved(loaded(a=1))


def test_a_delta_that_replaces_counts_even_when_it_is_empty() -> None:
    data = SessionData(JSON, replaces=True)
    assert data.delta().replaces
    assert data.delta()
    saved(data)
    assert not data.delta()


def test_the_whole_of_the_data_is_taken_undecoded(counting: CountingSerializer) -> None:
    data = loaded(counting, a=[1], b="text")
    data["c"] = 1
    counting.reset()
    delta = data.whole()
    assert written(delta) == {"a": [1], "b": "text", "c": 1}
    assert delta.replaces
    assert counting.dumped == [1]


def test_nothing_of_the_record_before_is_left_once_the_whole_was_stored() -> None:
    data = loaded(a=1, b=2)
    del data["b"]
    data.settle(data.whole())
    assert not data.delta()
    assert not data.changed_in_place()


def test_keys_become_text_as_in_json() -> None:
    data = loaded()
    data[1] = "one"
    data[None] = "none"
    assert written(saved(data)) == {"1": "one", "null": "none"}
    assert not data.delta()
    del data[1]
    assert saved(data).removed == [b"1"]


@pytest.mark.parametrize("make", ["delta", "whole"])
def test_a_value_that_cannot_be_serialised_is_a_type_error_that_names_its_key(make: str) -> None:
    data = loaded(a=1)
    data["basket"] = {1, 2}
    with pytest.raises(TypeError, match="session key 'basket' cannot be serialised by JSON"):
        getattr(data, make)()


def test_a_loop_in_a_value_is_a_type_error_that_names_its_key() -> None:
    data = loaded(items=[1])
    data["items"].append(data["items"])
    with pytest.raises(TypeError, match="session key 'items'"):
        data.delta()
