"""Values as sealed bytes and back: without the secret none opens, and none that was touched."""

import hmac
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume
from hypothesis import strategies as st

from redis_sessions import codec, tokens
from redis_sessions.codec import WRAPPED
from redis_sessions.encryption import Opener, Sealer, derive
from redis_sessions.tokens import SessionKey
from tests.properties import given
from tests.serializers import PickleSerializer

KEY = SessionKey("0123456789abcd", "s" * 26)
SALT, FORMER_SALT = b"1" * 32, b"2" * 32
FIELD = b"basket"

names = st.binary(min_size=1)
secrets = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=26, max_size=26)


def sealed(
    payload: bytes, *, key: SessionKey = KEY, name: bytes = FIELD, salt: bytes = SALT
) -> Any:
    return Sealer(key, salt).seal(name, payload)


def opener(*salts: bytes, key: SessionKey = KEY, wrapped: bytes = b"") -> Opener:
    return Opener(key, salts or (SALT,), wrapped)


def is_refused(stored: bytes, name: bytes = FIELD, by: Opener | None = None) -> bool:
    try:
        (by or opener()).open(name, stored)
    except ValueError:
        return True
    return False


@given(st.binary(), names)
def test_any_payload_under_any_name_comes_back(payload: bytes, name: bytes) -> None:
    assert opener().open(name, sealed(payload, name=name)) == (payload, True)


@given(st.binary())
def test_a_sealed_value_is_known_by_its_marker_and_has_a_fixed_overhead(payload: bytes) -> None:
    stored = sealed(payload)
    assert codec.is_sealed(stored)
    assert len(stored) == len(payload) + codec.SEAL_SIZE


@given(st.text() | st.binary() | st.none() | st.integers())
def test_no_signed_value_is_taken_for_a_sealed_one(value: Any) -> None:
    payload = codec.encode(value, PickleSerializer())
    for packed in (payload, codec.compress(payload)):
        assert not codec.is_sealed(codec.seal(KEY.id, FIELD, packed, SALT))


@given(st.binary(max_size=80), st.data())
def test_a_value_in_which_one_bit_was_changed_is_refused(payload: bytes, data: Any) -> None:
    stored = bytearray(sealed(payload))
    place = data.draw(st.integers(0, len(stored) - 1).filter(lambda at: at != 12))  # the marker
    stored[place] ^= 1 << data.draw(st.integers(0, 7))
    assert is_refused(bytes(stored))


@given(st.binary(max_size=80), st.data())
def test_a_value_that_was_cut_or_lengthened_is_refused(payload: bytes, data: Any) -> None:
    stored = sealed(payload)
    assert is_refused(stored[: data.draw(st.integers(0, len(stored) - 1))])
    assert is_refused(stored + data.draw(st.binary(min_size=1)))


@given(st.binary(max_size=200))
def test_bytes_that_nobody_sealed_are_refused(stored: bytes) -> None:
    assert is_refused(stored)


@given(names, names, st.binary())
def test_a_value_moved_to_another_field_is_refused(name: bytes, other: bytes, value: bytes) -> None:
    assume(name != other)
    assert is_refused(sealed(value, name=name), other)


def test_a_value_of_another_session_with_the_same_secret_is_refused() -> None:
    other = SessionKey("dcba9876543210", KEY.secret)
    assert derive(other, SALT) != derive(KEY, SALT)
    assert is_refused(sealed(b"Ada", key=other))


@given(secrets, st.binary())
def test_who_has_secret_key_and_another_secret_opens_nothing(secret: str, payload: bytes) -> None:
    assume(secret != KEY.secret)
    assert is_refused(sealed(payload), by=opener(key=SessionKey(KEY.id, secret)))


def test_who_has_the_secret_and_another_secret_key_opens_nothing() -> None:
    assert is_refused(sealed(b"Ada"), by=opener(FORMER_SALT))


def test_the_key_is_that_of_hkdf_as_rfc_5869_has_it() -> None:
    secret = hmac.digest(SALT, KEY.secret.encode(), "sha256")
    purpose = b"redis_sessions.aes-256-gcm." + KEY.id.encode()
    assert derive(KEY, SALT) == hmac.digest(secret, purpose + b"\1", "sha256")


def test_a_value_is_aes_gcm_bound_to_session_and_field_as_is_documented() -> None:
    stored = sealed(b"Ada")
    nonce, marker, body = stored[:12], stored[12:13], stored[13:]
    place = KEY.id.encode() + len(FIELD).to_bytes(4) + FIELD
    assert AESGCM(derive(KEY, SALT)).decrypt(nonce, body, place) == b"Ada"
    assert marker == codec.SEALED


def test_a_value_that_is_sealed_twice_has_two_nonces() -> None:
    sealer = Sealer(KEY, SALT)
    nonces = {sealer.seal(FIELD, b"Ada")[:12] for _ in range(1000)}
    assert len(nonces) == 1000


def test_threads_can_seal_and_open_with_one_key_at_once() -> None:
    def round_trips(number: int) -> bool:
        sealer, by = Sealer(KEY, SALT), opener()
        payloads = [b"%d-%d" % (number, turn) * 50 for turn in range(500)]
        return all(by.open(FIELD, sealer.seal(FIELD, each)) == (each, True) for each in payloads)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(round_trips, range(8)))


def test_a_value_of_a_former_secret_key_is_opened_and_known_for_it() -> None:
    stored = sealed(b"Ada", salt=FORMER_SALT)
    by = opener(SALT, FORMER_SALT)
    assert by.open(FIELD, stored) == (b"Ada", False)
    assert by.former == []  # SECRET_KEY_FALLBACKS has it


def rotated(*keys: bytes) -> tuple[SessionKey, bytes]:
    """Return a key with another secret, and former keys as a rotation to it wraps them."""
    fresh = tokens.rotate_key(KEY)
    return fresh, Sealer(fresh, SALT).wrap(keys)


def test_who_has_the_new_secret_opens_what_was_sealed_under_the_former() -> None:
    fresh, wrapped = rotated(os.urandom(32), derive(KEY, SALT))
    by = opener(key=fresh, wrapped=wrapped)
    assert by.open(FIELD, sealed(b"Ada")) == (b"Ada", False)
    assert by.former == [derive(KEY, SALT)]  # and not the other, which nothing needed


def test_who_has_the_former_secret_does_not_open_what_is_sealed_under_the_new_one() -> None:
    fresh, wrapped = rotated(derive(KEY, SALT))
    assert is_refused(sealed(b"Ada", key=fresh), by=opener(wrapped=wrapped))


def test_wrapped_keys_are_opened_with_a_former_secret_key_too() -> None:
    fresh = tokens.rotate_key(KEY)
    wrapped = Sealer(fresh, FORMER_SALT).wrap([derive(KEY, FORMER_SALT)])
    stored = sealed(b"Ada", salt=FORMER_SALT)
    assert opener(SALT, FORMER_SALT, key=fresh, wrapped=wrapped).open(FIELD, stored)[0] == b"Ada"


def test_what_needs_no_former_key_is_opened_though_the_wrapped_keys_are_spoilt() -> None:
    by = opener(wrapped=b"spoilt")
    assert by.open(FIELD, sealed(b"Ada")) == (b"Ada", True)
    assert is_refused(sealed(b"Ada", key=tokens.rotate_key(KEY)), by=by)


def test_wrapped_keys_count_in_their_own_field_only() -> None:
    fresh, _ = rotated()
    as_a_value = Sealer(fresh, SALT).seal(FIELD, derive(KEY, SALT))
    assert is_refused(sealed(b"Ada"), by=opener(key=fresh, wrapped=as_a_value))
    assert is_refused(Sealer(KEY, SALT).wrap([SALT]))
    assert opener().open(WRAPPED, Sealer(KEY, SALT).wrap([SALT]))[0] == SALT


@pytest.mark.parametrize("rotations", range(1, 6))
def test_a_key_is_found_through_any_number_of_rotations(rotations: int) -> None:
    keys = [KEY]
    for _ in range(rotations):
        keys.append(tokens.rotate_key(keys[-1]))
    assert all(one != other for one, other in pairwise(keys))
    former = [derive(key, SALT) for key in keys[:-1]]
    by = opener(key=keys[-1], wrapped=Sealer(keys[-1], SALT).wrap(former))
    for key in keys[:-1]:
        assert by.open(FIELD, sealed(b"Ada", key=key)) == (b"Ada", False)
    assert by.former == former
