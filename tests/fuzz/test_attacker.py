"""Somebody who plants cookies and sends anything, and a victim who logs in, in whatever order."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.fuzz.hostile import PRIVATE, keys
from tests.fuzz.siege import EVIL, Line, Runs, Visitor
from tests.properties import bounds


class Siege(RuleBasedStateMachine):
    """The attacker knows every key that the site ever gave them, planted or not."""

    known = Bundle("known")
    lines = Bundle("lines")

    def __init__(self) -> None:
        super().__init__()
        self.runs = Runs()
        self.victim = Visitor()
        self.has_written = False

    def teardown(self) -> None:
        self.runs.end()

    # The victim

    @rule()
    def the_victim_logs_in(self) -> None:
        self.runs.run(self.victim.log_in("ada"))

    @rule(origin=st.sampled_from([None, EVIL]))
    def the_victim_logs_in_over_a_socket(self, origin: str | None) -> None:
        claim = self.runs.run(self.victim.log_in_over_a_socket("ada"))
        if origin is not None:
            assert self.runs.run(self.victim.post(claim, origin)).status_code == 403
        assert self.runs.run(self.victim.post(claim)).status_code == 204
        assert self.runs.run(self.victim.user()) == "ada"
        assert self.runs.run(self.victim.post(claim)).status_code == 410

    @rule()
    def the_victim_writes_once_logged_in(self) -> None:
        if self.runs.run(self.victim.user()) == "ada":
            form = {"private": PRIVATE}
            assert self.runs.run(self.victim.client.post("/set/", form)).status_code == 200
            self.has_written = True

    @rule()
    def the_victim_rotates_the_key(self) -> None:
        if self.runs.run(self.victim.user()) == "ada":
            assert self.runs.run(self.victim.client.post("/rotate/")).status_code == 200

    @rule()
    def the_victim_logs_out(self) -> None:
        self.runs.run(self.victim.log_out())
        self.has_written = False

    @precondition(lambda self: self.has_written)
    @rule()
    def the_victim_has_it_all_still(self) -> None:
        assert self.runs.run(self.victim.user()) == "ada"
        assert self.runs.run(self.victim.held())["private"] == PRIVATE

    # The attacker

    @initialize(target=known)
    def begin(self) -> str:
        return self.runs.run(Visitor().begin()).key

    @rule(target=known)
    def the_attacker_begins_a_session(self) -> str:
        return self.begin()

    @rule(target=known)
    def the_attacker_logs_in_as_themselves(self) -> str:
        attacker = Visitor()
        self.runs.run(attacker.log_in("eve"))
        return attacker.key

    @precondition(lambda self: not self.has_written)
    @rule(key=known | keys)
    def the_attacker_plants_a_cookie(self, key: str) -> None:
        self.victim.key = key

    @precondition(lambda self: not self.has_written)
    @rule(key=known)
    def the_attacker_slips_in_a_claim(self, key: str) -> None:
        attacker = self.with_key(key)
        claim = self.runs.run(attacker.log_in_over_a_socket("eve"))
        assert self.runs.run(self.victim.post(claim)).status_code in {204, 410}
        assert self.runs.run(self.victim.user()) != "ada" or self.victim.key != key

    @rule(target=known, key=known | keys, url=st.sampled_from(["/get/", "/who/"]))
    def the_attacker_reads(self, key: str, url: str) -> str:
        attacker = self.with_key(key)
        response = self.runs.run(attacker.client.get(url))
        self.look(response)
        return attacker.key or key

    @rule(target=known, key=known | keys)
    def the_attacker_writes(self, key: str) -> str:
        attacker = self.with_key(key)
        form = {"private": "forged", "basket": "forged"}
        self.look(self.runs.run(attacker.client.post("/set/", form)))
        return attacker.key or key

    @rule(target=known, key=known | keys, url=st.sampled_from(["/out/", "/rotate/"]))
    def the_attacker_ends_or_rotates(self, key: str, url: str) -> str:
        attacker = self.with_key(key)
        self.look(self.runs.run(attacker.client.post(url)))
        return attacker.key or key

    @rule(target=lines, key=known | keys)
    def the_attacker_opens_a_socket(self, key: str) -> Line:
        return self.runs.open(self.with_key(key))

    @rule(line=lines, do=st.sampled_from(["get", "who", "set", "rotate", "logout"]))
    def the_attacker_asks_over_a_socket(self, line: Line, do: str) -> None:
        arguments = {"private": "forged"} if do == "set" else {}
        answer = self.runs.run(line.ask(do, **arguments)) or ""
        assert PRIVATE not in answer
        assert "ada" not in answer

    def with_key(self, key: str) -> Visitor:
        attacker = Visitor()
        attacker.key = key
        return attacker

    def look(self, response: Any) -> None:
        """What the attacker may be told: neither data nor name of the victim, and no failure."""
        assert response.status_code in {200, 400}
        seen = response.content.decode()
        assert PRIVATE not in seen
        assert "ada" not in seen


@pytest.fixture
def _users(transactional_db: None, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.fuzz.siege"
    for name in ("ada", "eve"):
        get_user_model().objects.create_user(name)


@pytest.mark.usefixtures("_users")
def test_whoever_knows_every_key_from_before_sees_and_stops_nothing_of_a_login() -> None:
    run_state_machine_as_test(Siege, settings=bounds(20, stateful_step_count=20))
