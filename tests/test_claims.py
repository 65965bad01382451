"""Claims: what is stored of one, and what it takes to open it again."""

import re
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from redis_sessions import claims, executors, tokens
from redis_sessions.commands import claims as claim_commands
from redis_sessions.conf import config
from redis_sessions.tokens import SessionKey

KEY = tokens.make_key()
FORMER = str(tokens.make_key())


def stored(command: Any) -> bytes:
    """Return the bytes that a claim's command stores."""
    return command.words[2]


def store(command: Any) -> None:
    executors.run(config().alias, command)


def take(claim: str) -> bytes | None:
    return executors.run(config().alias, claims.take(claim))[0]


def test_a_claim_is_129_random_bits() -> None:
    made = {claims.make(KEY, [None])[0] for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("[0-9a-z]{25}", claim) for claim in made)


def test_a_claim_opens_to_the_session_key_once() -> None:
    claim, command = claims.make(KEY, [FORMER])
    store(command)
    assert claims.open_(claim, take(claim), FORMER) == str(KEY)
    assert claims.open_(claim, take(claim), FORMER) is None


def test_the_server_forgets_a_claim_after_thirty_seconds(redis_client: redis.Redis) -> None:
    store(claims.make(KEY, [FORMER])[1])
    [name] = redis_client.scan_iter()
    assert 29_000 < redis_client.pttl(name) <= 30_000


@pytest.mark.parametrize("former", [None, "", str(tokens.make_key()), FORMER[:-1], FORMER + "0"])
def test_a_claim_does_not_open_for_another_browser(former: str | None) -> None:
    claim, command = claims.make(KEY, [FORMER])
    assert claims.open_(claim, stored(command), former) is None


def test_the_claim_of_a_browser_without_a_cookie_opens_only_without_one() -> None:
    claim, command = claims.make(KEY, [None])
    assert claims.open_(claim, stored(command), FORMER) is None
    assert claims.open_(claim, stored(command), None) == str(KEY)


def test_a_claim_opens_with_each_key_that_its_browser_may_hold() -> None:
    claim, command = claims.make(KEY, [None, FORMER])
    for former in (None, FORMER):
        assert claims.open_(claim, stored(command), former) == str(KEY)
    assert claims.open_(claim, stored(command), str(tokens.make_key())) is None


def test_what_is_stored_tells_neither_claim_nor_session_nor_browser(
    redis_client: redis.Redis,
) -> None:
    claim, command = claims.make(KEY, [FORMER])
    store(command)
    [name] = redis_client.scan_iter()
    seen = name + redis_client.get(name)
    for secret in (claim, KEY.id, KEY.secret, FORMER[:14], FORMER[14:]):
        for part in (secret[:8], secret[-8:]):
            assert part.encode() not in seen


def test_two_claims_to_one_session_have_no_stored_bytes_in_common() -> None:
    one, other = (stored(claims.make(KEY, [FORMER])[1]) for _ in range(2))
    pieces = {one[start : start + 6] for start in range(len(one) - 5)}
    assert not any(other[start : start + 6] in pieces for start in range(len(other) - 5))


@given(data=st.data())
def test_a_stored_claim_with_a_bit_that_was_changed_does_not_open(data: st.DataObject) -> None:
    claim, command = claims.make(KEY, [FORMER])
    changed = bytearray(stored(command))
    position = data.draw(st.integers(0, len(changed) - 1))
    changed[position] ^= 1 << data.draw(st.integers(0, 7))
    assert claims.open_(claim, bytes(changed), FORMER) is None


@given(size=st.integers(0, 67))
def test_a_stored_claim_that_was_cut_does_not_open(size: int) -> None:
    claim, command = claims.make(KEY, [FORMER])
    assert len(stored(command)) == 68
    assert claims.open_(claim, stored(command)[:size], FORMER) is None


def test_what_was_stored_for_one_claim_does_not_open_another() -> None:
    theirs, _ = claims.make(SessionKey("0" * 14, "0" * 26), [FORMER])
    _, mine = claims.make(KEY, [FORMER])
    assert claims.open_(theirs, stored(mine), FORMER) is None


def test_a_claim_is_worth_nothing_under_another_secret_key(settings: Any) -> None:
    claim, command = claims.make(KEY, [FORMER])
    store(command)
    settings.SECRET_KEY = "another"
    assert take(claim) is None
    assert claims.open_(claim, stored(command), FORMER) is None


def test_a_key_that_holds_something_else_is_no_claim(redis_client: redis.Redis) -> None:
    claim, command = claims.make(KEY, [FORMER])
    redis_client.hset(command.words[1], "a", "b")
    assert take(claim) is None


def test_claims_live_under_the_prefix_of_the_sessions(settings: Any) -> None:
    settings.REDIS_SESSIONS = {"KEY_PREFIX": "shop"}
    name = claims.make(KEY, [None])[1].words[1]
    assert name == claim_commands.key("shop", name[len("shop:claim:{") : -1])
    assert re.fullmatch(r"shop:claim:\{[0-9a-f]{32}\}", name)
