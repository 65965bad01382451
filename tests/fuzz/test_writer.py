"""Somebody who reads and writes Redis, has a session of their own, and lacks SECRET_KEY."""

import contextlib
import json
from typing import Any

import pytest
import redis
from django.contrib.auth import get_user_model
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from redis_sessions import users
from tests.fuzz.hostile import any_bytes, field_names, mutations, nearly
from tests.fuzz.planting import of_any_type, on_a_record, plant
from tests.fuzz.siege import Runs, Visitor
from tests.people import index_of
from tests.properties import bounds

MINE, FORGED = "mine", "forged"
NAMES = ["private", "basket", "_auth_user_id"]
own_names = st.sampled_from([name.encode() for name in NAMES])


class Writer(RuleBasedStateMachine):
    """What the victim sees is what the victim has stored there, as it was at some time."""

    redis: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.runs = Runs()
        self.victim, self.attacker = Visitor(), Visitor()
        self.line: Any = None
        self.ids: set[str] = set()
        self.stored: set[str] = set()
        self.seen: list[bytes] = []

    @initialize()
    def begin(self) -> None:
        self.redis.flushdb()
        self.the_victim_logs_in()
        self.runs.run(self.attacker.log_in("eve"))
        form = {"private": FORGED, "basket": FORGED}
        self.runs.run(self.attacker.client.post("/set/", form))

    def teardown(self) -> None:
        self.runs.end()

    # The victim

    @rule()
    def the_victim_logs_in(self) -> None:
        self.runs.run(self.victim.log_in("ada"))
        self.ids.add(self.victim.key[:14])
        self.the_victim_writes()

    @rule()
    def the_victim_writes(self) -> None:
        text = f"{MINE} {len(self.stored)}"
        self.stored.add(text)
        form = {"private": text, "more": text}
        response = self.runs.run(self.victim.client.post("/set/", form))
        assert response.status_code == 200
        self.look_around()

    @rule()
    def the_victim_reads(self) -> None:
        known = self.victim.key
        assert self.runs.run(self.victim.user()) in {"ada", "AnonymousUser"}
        self.check(self.runs.run(self.victim.held()))
        if self.victim.key not in {"", known}:
            self.ids.add(self.victim.key[:14])

    @rule()
    def the_victim_opens_a_socket(self) -> None:
        self.line = self.runs.open(self.victim)

    @rule(do=st.sampled_from(["get", "who"]))
    def the_victim_asks_over_the_socket(self, do: str) -> None:
        answer = self.line and self.runs.run(self.line.ask(do))
        if answer and do == "get":
            self.check(json.loads(answer))
        assert not answer or do == "get" or json.loads(answer) in {"ada", "AnonymousUser"}

    @rule()
    def the_victim_looks_at_their_sessions(self) -> None:
        ada = self.runs.run(get_user_model().objects.aget(username="ada"))
        found = self.runs.run(users.asessions_of(ada))
        assert {info.id for info in found} <= self.ids

    def check(self, held: dict[str, Any]) -> None:
        texts = {str(value) for name, value in held.items() if name in {"private", "more"}}
        assert texts <= self.stored
        assert "basket" not in held
        assert held.get("_auth_user_id", self.pk("ada")) == self.pk("ada")

    # The attacker

    @rule(tampering=on_a_record | of_any_type, mine=st.booleans())
    def the_attacker_writes_to_a_record(self, tampering: Any, mine: bool) -> None:
        with contextlib.suppress(redis.ResponseError):
            plant(self.redis, self.record(mine=mine), tampering)

    @rule(tampering=of_any_type, name=st.sampled_from(["ada", "eve"]))
    def the_attacker_writes_to_an_index(self, tampering: Any, name: str) -> None:
        plant(self.redis, index_of(self.pk(name)), tampering)

    @rule(number=st.integers(0, 10**6), field=field_names | own_names, mine=st.booleans())
    def the_attacker_puts_there_what_was_seen_anywhere(
        self, number: int, field: bytes, mine: bool
    ) -> None:
        with contextlib.suppress(redis.ResponseError):
            self.redis.hset(self.record(mine=mine), field, self.seen[number % len(self.seen)])

    @rule(to_mine=st.booleans())
    def the_attacker_copies_a_record(self, to_mine: bool) -> None:
        source, target = self.record(mine=not to_mine), self.record(mine=to_mine)
        self.redis.copy(source, target, replace=True)

    @rule(name=st.sampled_from(NAMES), to_mine=st.booleans())
    def the_attacker_copies_a_value(self, name: str, to_mine: bool) -> None:
        with contextlib.suppress(redis.ResponseError):
            value = self.redis.hget(self.record(mine=not to_mine), name)
            if value is not None:
                self.redis.hset(self.record(mine=to_mine), name, value)

    @rule(word=st.sampled_from([b"saved ", b"revoked ", b"logout x", b"login "]) | any_bytes)
    def the_attacker_publishes(self, word: bytes) -> None:
        self.redis.publish(self.record(mine=False), word)

    @rule(mutation=st.none() | mutations)
    def the_attacker_visits(self, mutation: Any) -> None:
        visitor = Visitor()
        near = mutation and nearly(self.victim.key or "0" * 40, mutation)
        visitor.key = near or self.attacker.key
        assert self.runs.run(visitor.user()) in {"eve", "AnonymousUser"}
        assert MINE not in str(self.runs.run(visitor.held()))

    def record(self, *, mine: bool) -> str:
        key = self.attacker.key if mine else self.victim.key
        return f"session:{{{key[:14]}}}"

    def look_around(self) -> None:
        """Take down every value there is."""
        for mine in (True, False):
            with contextlib.suppress(redis.ResponseError):
                self.seen += self.redis.hgetall(self.record(mine=mine)).values()

    def pk(self, name: str) -> str:
        return str({"ada": 1, "eve": 2}[name])


@pytest.fixture
def _users(transactional_db: None, settings: Any, redis_client: redis.Redis) -> None:
    settings.ROOT_URLCONF = "tests.fuzz.siege"
    Writer.redis = redis_client
    for pk, name in enumerate(("ada", "eve"), 1):
        get_user_model().objects.create_user(name, pk=pk)


@pytest.mark.usefixtures("_users")
def test_who_writes_to_redis_makes_nobody_believe_anything_and_gets_in_nowhere() -> None:
    run_state_machine_as_test(Writer, settings=bounds(20, stateful_step_count=20))
