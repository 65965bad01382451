"""The measurements of how cost grows: with what a session holds, and with how many there are."""

import gc
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model

from . import cores, filling, operations
from .crowds import Crowds
from .engines import OURS
from .operations import BASKET, LOGGED_IN, LOGIN
from .spending import Costs, Meters

SHARED = 50  # sessions, where an operation leaves them as they are
FEW = 3  # sessions of one user among those of others; repetitions of what is slow
PAGE = 100  # sessions

Answer = dict[str, float | None]


def holding(size: int) -> dict[str, Any]:
    """Return five small keys, and a large one that brings them to ``size`` bytes as JSON."""
    holds, lines = LOGGED_IN | {"visits": 0}, list[dict[str, Any]]()
    length = len(json.dumps(holds | {"large": lines}))
    while length < size:
        number = len(lines)
        lines.append({"article": 1042 + number, "name": f"the name of no. {number}", "count": 2})
        length += len(json.dumps(lines[-1])) + len(", ")
    return holds | ({"large": lines} if len(lines) > 1 else {})


class Growing(Crowds):
    """Sockets and stores; and what they cost as one number grows."""

    def payload(self, size: int, count: int) -> Answer:
        """Return what a session costs that is ``size`` bytes as JSON: small keys, and a large one.

        ``whole`` reads all keys, the others the small ones.
        """
        keys = self._session_keys(holding(size), SHARED)
        costs = {
            "whole": self._each(lambda session: dict(session.items()), keys, count),
            "read": self._each(operations.read, keys, count),
            "save": self._each(operations.save, keys, count),
        }
        return _named(costs) | {"bytes": self._used() / len(keys)}

    def tasks(self, tasks: int, count: int) -> Answer:
        """Return what a read and a save cost in as many tasks at once."""
        names = ("read", "save")
        return _named({name: self.operation(name, "async", tasks, count) for name in names})

    def stored(self, number: int, count: int) -> Answer:
        """Return what sessions cost among ``number`` others, each with a user of its own."""
        self._session_keys(LOGGED_IN, 1)
        filling.multiply(self.client, number)
        mine = [self._stored(LOGGED_IN) for _ in range(SHARED)]
        few = [self._stored(LOGGED_IN | {SESSION_KEY: "7"}) for _ in range(FEW)]
        anonymous = [self._stored(BASKET) for _ in range(count)]
        idle = self._meters.background = self._meters.idle()
        costs = {
            "read": self._each(operations.read, mine, count),
            "save": self._each(operations.save, mine, count),
            "login": self._each(operations.login, anonymous, count),
            "list": self._listed("7", count, of=len(few)),
        }
        self._meters.background = 0.0
        filling.empty(self.client)
        return _named(costs) | {"idle": idle}

    def user(self, number: int, count: int) -> Answer:
        """Return what the sessions of a user cost who has ``number`` of them.

        What costs the more the more there are is measured less often.
        """
        mine, user_id = self._session_keys(LOGGED_IN, number), LOGGED_IN[SESSION_KEY]
        costs = {
            "save": self._each(operations.save, mine, count),
            "list": self._listed(user_id, max(FEW, count // min(number, PAGE)), of=number),
            "count": self._counted(user_id, max(FEW, count // number), of=number),
            "login": self._logins(count),
            "end": self._ends(user_id, number, max(FEW, count // number)),
        }
        return _named(costs)

    @cached_property
    def _meters(self) -> Meters:
        return Meters(self.client)

    def _each(self, run: Callable[[Any], Any], keys: Sequence[Any], count: int) -> Costs:
        """Run an operation on ``count`` session objects, over the keys again and again."""
        return self._times(lambda n: run(self.SessionStore(keys[n % len(keys)])), count)

    def _listed(self, user_id: str, count: int, *, of: int) -> Costs | None:
        """List a user's sessions. This and what is below is None where an engine has no such."""
        if self.engine != OURS.name:
            return None
        from redis_sessions import users

        user = _user(user_id)
        assert len(users.sessions_of(user, limit=PAGE)) == min(of, PAGE)
        return self._times(lambda _: users.sessions_of(user, limit=PAGE), count)

    def _counted(self, user_id: str, count: int, *, of: int) -> Costs | None:
        if self.engine != OURS.name:
            return None
        from redis_sessions import users

        user = _user(user_id)
        assert users.count(user) == of
        return self._times(lambda _: users.count(user), count)

    def _ends(self, user_id: str, number: int, count: int) -> Costs | None:
        """End all sessions of a user, ``count`` times, and begin them anew between."""
        if self.engine != OURS.name:
            return None
        from redis_sessions import users

        costs, user = [], _user(user_id)
        for _ in range(count):
            self._session_keys(LOGGED_IN, number)
            costs.append(self._times(lambda _: users.end_sessions(user), 1))
            assert not self.client.dbsize()
        return {name: sum(cost[name] for cost in costs) / count for name in costs[0]}

    def _logins(self, count: int) -> Costs:
        """Log in ``count`` users, of whom each has as many sessions as the one that is there.

        With ours that is what their indexes say; a login looks at nothing else.
        """
        users = [filling.numbered(number) for number in range(1, count + 1)]
        if self.engine == OURS.name:
            before, behind = _index("|").split(b"|")
            filling.copy(self.client, _index(LOGGED_IN[SESSION_KEY]), count, before, behind)
        keys = [self._stored(BASKET) for _ in users]

        def log_in(number: int) -> None:
            session = self.SessionStore(keys[number])
            session["basket"]
            session.cycle_key()
            session.update(LOGIN | {SESSION_KEY: users[number]})
            session.save()

        return self._times(log_in, count)

    def _times(self, call: Callable[[int], Any], count: int) -> Costs:
        cores.keep_to(cores.CLIENT["sync"])
        gc.collect()
        spent = self._meters.start()
        for number in range(count):
            call(number)
        return spent(count)

    def _used(self) -> int:
        """Return the server's bytes for all that is stored."""
        keys = self.client.scan_iter(count=1000)
        return sum(self.client.memory_usage(key, samples=0) for key in keys)


def _user(user_id: str) -> Any:
    return get_user_model()(pk=int(user_id))


def _index(user_id: str) -> bytes:
    from redis_sessions.commands import index
    from redis_sessions.conf import config

    return index.key(config().KEY_PREFIX, user_id).encode()


def _named(costs: dict[str, Costs | None]) -> Answer:
    """Return each cost under its own name, as in ``read_cpu``; None where there is none."""
    meters = next(cost for cost in costs.values() if cost is not None)
    return {
        f"{name}_{meter}": None if cost is None else cost[meter]
        for name, cost in costs.items()
        for meter in meters
    }
