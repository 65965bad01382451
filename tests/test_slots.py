"""Slots of keys, and the map that a node tells: against redis-py's own arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from redis_sessions.slots import SLOTS, UNKNOWN, Address, SlotMap, slot_of

ASKED = Address("127.0.0.1", 7000)
ONE, TWO = Address("10.0.0.1", 7001), Address("10.0.0.2", 7002)
REPLY = [
    [0, 99, [b"10.0.0.1", 7001, b"id"], [b"10.0.0.3", 7003, b"id"]],
    [100, 199, [b"10.0.0.2", 7002, b"id", []]],
    [300, 16383, [b"10.0.0.1", 7001, b"id"]],
]


@given(st.lists(st.sampled_from(["{", "}", "a", "bc", "é", ":"]), max_size=8).map("".join))
def test_the_slot_of_a_key_is_that_of_what_is_in_its_first_braces(key: str) -> None:
    assert slot_of(key) == slot_of(key.encode()) == key_slot(key.encode())


def test_all_keys_and_channels_of_a_session_have_one_slot() -> None:
    keys = ["session:{0123456789abcd}", "session:{0123456789abcd}:sockets:1", "0123456789abcd"]
    assert len({slot_of(key) for key in keys}) == 1


def test_a_map_names_the_master_of_each_slot() -> None:
    slots = SlotMap.from_reply(REPLY, ASKED)
    assert [slots.owner(slot) for slot in (0, 99, 100, 199, 300, SLOTS - 1)] == [
        ONE, ONE, TWO, TWO, ONE, ONE,
    ]  # fmt: skip
    assert slots.owner(200) is slots.owner(299) is None
    assert slots.masters == {ONE: 0, TWO: 100}
    assert set(slots.nodes) == {ONE, TWO, Address("10.0.0.3", 7003)}


@pytest.mark.parametrize("host", [None, b""])
def test_a_node_that_names_no_host_has_the_one_that_was_asked(host: bytes | None) -> None:
    slots = SlotMap.from_reply([[0, 16383, [host, 7001, b"id"]]], ASKED)
    assert slots.owner(5) == Address("127.0.0.1", 7001)


def test_a_node_that_does_not_know_its_host_serves_nobody() -> None:
    here, there = [0, 99, [b"?", 7001, b"id"]], [100, 199, [b"10.0.0.2", 7002, b"id"]]
    slots = SlotMap.from_reply([here, there], ASKED)
    assert slots.owner(5) is None
    assert slots.nodes == [TWO]


@pytest.mark.parametrize("reply", [[], [[0, 16383, [b"?", 7001, b"id"]]]])
def test_a_map_without_a_master_is_an_error(reply: list) -> None:
    with pytest.raises(ValueError, match="knows of no slot that is served"):
        SlotMap.from_reply(reply, ASKED)


@pytest.mark.parametrize("reply", [[[0]], [[0, 1]], 7, [[0, 1, []]], [[0, 1, [b"\xff", 1]]]])
def test_what_is_no_map_is_an_error(reply: list) -> None:
    with pytest.raises(ValueError, match="tells no slots"):
        SlotMap.from_reply(reply, ASKED)


def test_a_slot_that_moved_has_another_master_in_a_new_map() -> None:
    slots = SlotMap.from_reply(REPLY, ASKED)
    moved = slots.moved(50, ASKED)
    assert (slots.owner(50), moved.owner(50), moved.owner(51)) == (ONE, ASKED, ONE)
    assert {ASKED, ONE, TWO} < set(moved.nodes)


def test_an_unknown_map_has_no_masters() -> None:
    assert SlotMap(UNKNOWN).masters == {}
