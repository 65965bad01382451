"""Session keys: their alphabet, their parts, and the digests that stand for them."""

import os
import re
import string
from collections import Counter

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from redis_sessions import tokens
from redis_sessions.tokens import SessionKey
from tests.properties import given

ALPHABET = string.digits + string.ascii_lowercase
KEY = SessionKey("0123456789abcd", "abcdefghijklmnopqrstuvwxyz")


def test_a_key_is_40_characters_of_digits_and_lower_case_letters() -> None:
    for _ in range(1000):
        assert re.fullmatch(r"[0-9a-z]{40}", str(tokens.make_key()))


def test_an_id_has_14_characters_and_a_secret_26() -> None:
    key = tokens.make_key()
    assert (len(key.id), len(key.secret)) == (14, 26)


def test_a_secret_has_128_bits_at_least_and_an_id_64() -> None:
    assert len(ALPHABET) ** tokens.SECRET_LENGTH >= 2**128
    assert len(ALPHABET) ** tokens.ID_LENGTH >= 2**64


def test_every_letter_stands_for_equally_many_random_bytes() -> None:
    letters = bytes(range(256)).translate(tokens._LETTERS, tokens._DROPPED).decode()
    assert Counter(letters) == dict.fromkeys(ALPHABET, 7)


def test_random_bytes_that_stand_for_no_letter_are_replaced(monkeypatch) -> None:
    answers = iter([b"\xff" * 56, b"\xfc\x00" * 28, bytes(range(56))])
    monkeypatch.setattr(os, "urandom", lambda size: next(answers)[:size])
    assert tokens.random_text(40) == "0" * 28 + ALPHABET[:12]


def test_all_randomness_comes_from_the_operating_system(monkeypatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: b"\x0a" * size)
    assert str(tokens.make_key()) == "a" * 40


def test_keys_are_unique_in_both_parts() -> None:
    keys = [tokens.make_key() for _ in range(10_000)]
    assert len({key.id for key in keys}) == len({key.secret for key in keys}) == 10_000


def test_every_place_of_a_key_takes_every_letter() -> None:
    # A letter is missing from one of the 40 places of 2,000 keys in 1 of 10**21 runs.
    places = zip(*(str(tokens.make_key()) for _ in range(2000)), strict=True)
    assert all(set(place) == set(ALPHABET) for place in places)


def test_a_rotated_key_keeps_its_id_and_gets_another_secret() -> None:
    fresh = tokens.rotate_key(KEY)
    assert fresh.id == KEY.id
    assert fresh.secret != KEY.secret
    assert tokens.split_key(str(fresh)) == fresh


def test_splitting_a_key_undoes_joining_it() -> None:
    assert tokens.split_key(str(KEY)) == KEY


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        str(KEY)[:-1],
        str(KEY) + "a",
        str(KEY) + "\n",
        "\n" + str(KEY)[1:],
        str(KEY).upper(),
        str(KEY)[:-1] + "\0",
        str(KEY)[:-1] + "\u00e9",
        str(KEY)[:-1] + "٣",  # a digit, but not of ASCII
        str(KEY)[:-1] + "\u0131",  # lower case of I in Turkish
        str(KEY)[:-1] + "*",
        str(KEY)[:-1] + "}",
        str(KEY)[:-1] + "\ud800",
        "a" * 100_000,
    ],
)
def test_what_is_not_40_of_the_alphabet_is_no_key(text: str | None) -> None:
    assert tokens.split_key(text) is None


@given(st.text(max_size=60))
def test_any_other_text_is_no_key(text: str) -> None:
    assume(not re.fullmatch(r"[0-9a-z]{40}", text, re.ASCII))
    assert tokens.split_key(text) is None


def test_the_representation_of_a_key_hides_its_secret() -> None:
    assert KEY.id in repr(KEY)
    assert KEY.secret not in repr(KEY)


def test_a_digest_has_16_bytes() -> None:
    assert len(tokens.digest(KEY, b"k" * 32)) == 16


def test_a_digest_is_the_same_every_time() -> None:
    assert tokens.digest(KEY, b"k" * 32) == tokens.digest(SessionKey(*KEY), b"k" * 32)


@pytest.mark.parametrize(
    ("key", "digest_key"),
    [
        (KEY._replace(id="0123456789abce"), b"k" * 32),
        (KEY._replace(secret="abcdefghijklmnopqrstuvwxy0"), b"k" * 32),
        (KEY, b"K" * 32),
    ],
    ids=["id", "secret", "key"],
)
def test_a_digest_is_bound_to_the_id_the_secret_and_the_key(key, digest_key) -> None:
    assert tokens.digest(key, digest_key) != tokens.digest(KEY, b"k" * 32)


def test_keys_for_two_purposes_or_of_two_secrets_differ() -> None:
    derived = {
        tokens.derive_key(secret, purpose)
        for secret in (b"one", b"other")
        for purpose in (b"digest", b"signature")
    }
    assert len(derived) == 4
    assert {len(key) for key in derived} == {32}


def test_a_stored_digest_is_found_at_any_place() -> None:
    digests = [bytes([n]) * 16 for n in range(3)]
    assert all(tokens.among(digest, digests) for digest in digests)


@pytest.mark.parametrize("stored", [b"", b"\0" * 15, b"\0" * 17, b"\3" * 16])
def test_a_digest_that_is_not_there_is_not_found(stored: bytes) -> None:
    assert not tokens.among(stored, [bytes([n]) * 16 for n in range(3)])
    assert not tokens.among(stored, [])
