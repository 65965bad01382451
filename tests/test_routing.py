"""Which node is sent what, and what follows from its answer. No server: the routes have no I/O."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import exceptions as errors

from redis_sessions import routing, scripts
from redis_sessions.commands import Command, index, records, server, sharding, sockets
from redis_sessions.faults import LeftAlone, Unasked, Unmapped
from redis_sessions.queries import Query
from redis_sessions.routing import Batch, Router
from redis_sessions.slots import Address, slot_of
from tests.builders import HELD, NOW

ASKED = Address("127.0.0.1", 7000)
NODES = [Address("127.0.0.1", 7000 + number) for number in range(3)]
REPLY = [
    [first, last, [b"127.0.0.1", 7000 + number, b"id"]]
    for number, (first, last) in enumerate([(0, 5460), (5461, 10922), (10923, 16383)])
]


def key_at(node: int) -> str:
    """Return the key of a record that a node serves."""
    first, last, _ = REPLY[node]
    ids = (f"{number:014}" for number in range(100))
    return next(
        key for one in ids if first <= slot_of(key := records.record_key("session", one)) <= last
    )


KEYS = [key_at(node) for node in range(3)]
READS = [records.load(key) for key in KEYS]


def moved(key: str, port: int, word: type = errors.MovedError) -> errors.RedisError:
    return word(f"{slot_of(key)} 127.0.0.1:{port}")


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that is in doubt is learnt anew, however new it is."""
    monkeypatch.setattr(routing, "LEAST_AGE", 0)


class Nodes:
    """Answer by a function of address and words; keep what was sent."""

    def __init__(self, answer: Callable[[int, tuple[Any, ...]], Any]) -> None:
        self.sent: list[list[tuple[int, list[tuple[Any, ...]]]]] = []
        self.maps = 0
        self._answer = answer

    def drive(self, router: Router, query: Query) -> list[Any]:
        route = router.route(query)
        try:
            batches = next(route)
            while True:
                batches = route.send([self._take(batches, batch) for batch in batches])
        except StopIteration as end:
            return end.value

    def _take(self, batches: list[Batch], batch: Batch) -> Any:
        port = batch.address.port
        words = [command.words for command in batch.commands]
        if words == [("CLUSTER", "SLOTS")]:
            self.maps += 1
            found = self._answer(port, words[0])
            return (
                found
                if isinstance(found, errors.RedisError)
                else [REPLY if found is None else found]
            )
        if batch is batches[0]:
            self.sent.append([])
        self.sent[-1].append((port, words))
        replies = [self._answer(port, one) for one in words]
        lost = [
            one for one in replies if isinstance(one, errors.ConnectionError | errors.TimeoutError)
        ]
        return lost[0] if lost else replies


def router() -> Router:
    return Router([ASKED])


def echo(port: int, words: tuple[Any, ...]) -> Any:
    return None if words[0] == "CLUSTER" else (port, words[-1])


def test_commands_leave_together_and_their_replies_come_back_in_order() -> None:
    nodes, asked = Nodes(echo), [READS[2], READS[0], READS[1], READS[0]]
    replies = nodes.drive(router(), Query(asked))
    assert replies == [(7002, KEYS[2]), (7000, KEYS[0]), (7001, KEYS[1]), (7000, KEYS[0])]
    assert [[port for port, _ in stage] for stage in nodes.sent] == [[7002, 7000, 7001]]


def test_the_map_is_asked_for_once() -> None:
    nodes, one = Nodes(echo), router()
    for _ in range(3):
        nodes.drive(one, Query(READS))
    assert nodes.maps == 1


def test_what_has_to_be_done_before_is_done_before() -> None:
    """An index is written before the record that it names, wherever they are."""
    before = Command(("ZADD", KEYS[0]), sharding.as_is, sharding.nothing)
    saves = [records.create(key, HELD, NOW, NOW + 9, None, {}) for key in KEYS]
    after = Command(("ZCARD", KEYS[0]), sharding.as_is, sharding.nothing)
    nodes = Nodes(echo)
    nodes.drive(router(), Query([before, *saves, after]))
    assert [[port for port, _ in stage] for stage in nodes.sent] == [
        [7000], [7001, 7002], [7000],
    ]  # fmt: skip
    assert [words[0] for words in nodes.sent[0][0][1]] == ["ZADD", "EVALSHA"]


def test_all_that_one_node_gets_leaves_in_one_write() -> None:
    nodes = Nodes(echo)
    save = records.create(KEYS[1], HELD, NOW, NOW + 9, None, {})
    nodes.drive(router(), Query([index.card(KEYS[1]), save, READS[1]]))
    assert [len(words) for [(_, words)] in nodes.sent] == [3]


def test_scripts_publish_to_the_nodes_that_serve_the_channel() -> None:
    nodes = Nodes(echo)
    end = records.end(KEYS[1], HELD)
    nodes.drive(router(), Query([end]))
    [[(_, [words])]] = nodes.sent
    script = sharding.sharded(end.script)
    assert words == ("EVALSHA", script.sha, *end.words[2:])
    assert "'SPUBLISH'" in script.text
    assert "'PUBLISH'" not in script.text


@pytest.mark.parametrize(
    "path", sorted(Path(scripts.__file__).parent.glob("*.lua")), ids=lambda path: path.stem
)
def test_no_script_sends_an_ordinary_message_in_a_cluster(path: Path) -> None:
    script = scripts.load(path.stem)
    text = sharding.sharded(script).text
    assert re.findall(r"\bPUBLISH\b", text) == []
    assert text.count("SPUBLISH") == script.text.count("PUBLISH")


def test_a_slot_that_has_moved_is_followed_and_known_from_then_on() -> None:
    def answer(port: int, words: tuple[Any, ...]) -> Any:
        if words[0] == "CLUSTER" and port == 7002:
            return [[0, 16383, [b"127.0.0.1", 7002, b"id"]]]
        return moved(KEYS[0], 7002) if words[-1] == KEYS[0] and port == 7000 else echo(port, words)

    nodes, one = Nodes(answer), router()
    assert nodes.drive(one, Query(READS)) == [(7002, KEYS[0]), (7001, KEYS[1]), (7002, KEYS[2])]
    assert [port for stage in nodes.sent for port, _ in stage] == [7000, 7001, 7002, 7002]
    nodes.drive(one, Query(READS))
    assert nodes.maps == 2
    assert [[port for port, _ in stage] for stage in nodes.sent[2:]] == [[7002]]


def test_a_slot_that_is_moving_is_asked_for_at_both_ends() -> None:
    def answer(port: int, words: tuple[Any, ...]) -> Any:
        asks = port == 7000 and words[0] != "CLUSTER"
        return moved(KEYS[0], 7001, errors.AskError) if asks else echo(port, words)

    nodes, one = Nodes(answer), router()
    end = records.end(KEYS[0], HELD, writer="me")
    for _ in range(2):
        assert nodes.drive(one, Query([end])) == [(7001, "me")]
    assert nodes.maps == 1
    words = sharding.sharded(end.script).text
    assert nodes.sent[1] == [(7001, [("ASKING",), ("EVAL", words, *end.words[2:])])]
    assert [port for [(port, _)] in nodes.sent] == [7000, 7001, 7000, 7001]


def test_nodes_that_send_each_other_for_ever_are_an_error() -> None:
    def answer(port: int, words: tuple[Any, ...]) -> Any:
        return None if words[0] == "CLUSTER" else moved(KEYS[0], 7000 if port == 7001 else 7001)

    with pytest.raises(errors.ClusterDownError, match="do not agree"):
        Nodes(answer).drive(router(), Query([READS[0]]))


def test_what_was_done_is_not_done_again_where_a_node_was_lost() -> None:
    lost = [errors.ConnectionError("lost")]

    def answer(port: int, words: tuple[Any, ...]) -> Any:
        return lost.pop() if lost and port == 7001 else echo(port, words)

    nodes, one, query = Nodes(answer), router(), Query(READS)
    with pytest.raises(errors.ConnectionError, match="lost"):
        nodes.drive(one, query)
    assert nodes.drive(one, query) == [(7000, KEYS[0]), (7001, KEYS[1]), (7002, KEYS[2])]
    assert [[port for port, _ in stage] for stage in nodes.sent] == [[7000, 7001, 7002], [7001]]
    assert nodes.maps == 2


def test_a_node_that_was_lost_is_not_asked_who_serves_what() -> None:
    asked: list[int] = []

    def answer(port: int, words: tuple[Any, ...]) -> Any:
        if words[0] == "CLUSTER":
            asked.append(port)
        return errors.ConnectionError("lost") if port == 7001 else echo(port, words)

    nodes, one = Nodes(answer), router()
    for _ in range(30):
        with pytest.raises(errors.ConnectionError, match="lost"):
            nodes.drive(one, Query([READS[1]]))
    assert len(asked) == 30
    assert set(asked) == {7000, 7002}


def test_a_map_that_was_just_learnt_is_not_learnt_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "LEAST_AGE", 3600)
    lost = errors.ConnectionError("lost")
    nodes, one = Nodes(lambda port, words: lost if port == 7001 else echo(port, words)), router()
    for _ in range(5):
        with pytest.raises(errors.ConnectionError, match="lost"):
            nodes.drive(one, Query([READS[1]]))
    assert nodes.maps == 1
    monkeypatch.setattr(routing, "LEAST_AGE", 0)
    assert nodes.drive(one, Query([READS[0]])) == [(7000, KEYS[0])]
    assert nodes.maps == 2


@pytest.mark.parametrize("error", [LeftAlone, Unasked, errors.MaxConnectionsError])
def test_a_node_that_was_not_asked_is_no_reason_to_doubt_the_map(error: type[Exception]) -> None:
    def answer(port: int, words: tuple[Any, ...]) -> Any:
        return error("not asked") if port == 7001 and words[0] != "CLUSTER" else echo(port, words)

    nodes, one = Nodes(answer), router()
    for _ in range(3):
        with pytest.raises(error, match="not asked"):
            nodes.drive(one, Query([READS[1]]))
    assert nodes.maps == 1


def test_a_cluster_of_which_no_node_answers_is_an_error_that_names_them_all() -> None:
    nodes = Nodes(lambda *_: errors.ConnectionError("refused"))
    with pytest.raises(Unmapped, match="tells its slots") as caught:
        nodes.drive(Router(NODES), Query(READS))
    for node in NODES:
        assert f"{node.host}:{node.port}: refused" in str(caught.value)


class Hanging(Nodes):
    """Some nodes hang: the time of a call is over once it has asked one of them for the map."""

    def __init__(self, ports: set[int]) -> None:
        super().__init__(self._hang)
        self.query, self.ports = Query(READS), ports
        self.asked: list[int] = []

    def _hang(self, port: int, words: tuple[Any, ...]) -> Any:
        if words[0] == "CLUSTER":
            self.asked.append(port)
        if port not in self.ports:
            return echo(port, words)
        self.query.until = 0.0
        return errors.TimeoutError("late")

    def call(self, router: Router) -> list[Any]:
        self.query = Query(READS)
        return self.drive(router, self.query)


def test_a_node_that_hangs_is_not_taken_for_the_cluster() -> None:
    """Who had no time to ask the others asks one of them at the next call."""
    nodes, one = Hanging({7000, 7001}), Router(NODES)
    for _ in range(2):
        with pytest.raises(errors.TimeoutError):
            nodes.call(one)
    nodes.ports = set()
    assert len(nodes.call(one)) == 3
    assert nodes.asked == [7000, 7001, 7002]


def test_that_all_nodes_hang_is_known_when_each_was_asked_in_some_call() -> None:
    nodes, one = Hanging({7000, 7001, 7002}), Router(NODES)
    for error in (errors.TimeoutError, errors.TimeoutError, Unmapped, Unmapped):
        with pytest.raises(error):
            nodes.call(one)
    assert nodes.asked == [7000, 7001, 7002, 7000]


def test_where_all_have_failed_it_goes_on_with_whom_it_is_longest_ago() -> None:
    nodes, one = Hanging({7000, 7001}), Router(NODES)
    one.doubt(NODES[2])  # it failed before the others did
    for _ in range(2):
        with pytest.raises(errors.RedisError):
            nodes.call(one)
    nodes.ports = set()
    nodes.call(one)
    assert nodes.asked == [7000, 7001, 7002]


def test_a_slot_that_nobody_serves_is_an_error_until_somebody_does() -> None:
    replies = [REPLY[1:], REPLY]

    def answer(port: int, words: tuple[Any, ...]) -> Any:
        return replies.pop(0) if words[0] == "CLUSTER" else echo(port, words)

    nodes, one = Nodes(answer), router()
    with pytest.raises(errors.ClusterDownError, match="serves the slot"):
        nodes.drive(one, Query([READS[0]]))
    assert nodes.drive(one, Query([READS[0]])) == [(7000, KEYS[0])]


def test_a_node_that_knows_of_no_slots_is_no_reason_not_to_ask_another() -> None:
    def answer(port: int, words: tuple[Any, ...]) -> Any:
        told = [] if port == 7000 else REPLY
        return told if words[0] == "CLUSTER" else echo(port, words)

    nodes = Nodes(answer)
    one = Router([ASKED, NODES[1]])
    assert nodes.drive(one, Query([READS[2]])) == [(7002, KEYS[2])]
    assert nodes.maps == 2


def test_a_cluster_that_serves_no_slots_yet_is_asked_anew_by_each_call() -> None:
    told: list[Any] = []
    nodes = Nodes(lambda port, words: told if words[0] == "CLUSTER" else echo(port, words))
    one = router()
    for _ in range(2):
        with pytest.raises(errors.RedisError, match="knows of no slot that is served"):
            nodes.drive(one, Query([READS[0]]))
    told += REPLY
    assert nodes.drive(one, Query([READS[0]])) == [(7000, KEYS[0])]


def test_a_call_begins_nothing_when_its_time_is_over() -> None:
    def slow(port: int, words: tuple[Any, ...]) -> Any:
        time.sleep(0.02)
        return echo(port, words)

    nodes, late = Nodes(slow), time.monotonic() + 0.01
    with pytest.raises(errors.TimeoutError):
        nodes.drive(router(), Query(READS, late))
    assert nodes.sent == []


def test_sockets_are_counted_at_the_nodes_of_their_sessions() -> None:
    def answer(port: int, words: tuple[Any, ...]) -> Any:
        if words[0] == "CLUSTER":
            return None
        assert words[:2] == ("PUBSUB", "SHARDNUMSUB")
        return [item for name in words[2:] for item in (name, port - 6999)]

    nodes = Nodes(answer)
    count = sockets.count([KEYS[2], KEYS[0], KEYS[1]])
    [reply] = nodes.drive(router(), Query([count]))
    assert count.parse(reply) == [3 * 1024, 1024, 2 * 1024]


def test_an_error_of_a_part_is_that_of_the_command() -> None:
    def answer(port: int, words: tuple[Any, ...]) -> Any:
        return errors.NoPermissionError("no") if port == 7001 else (words[0] != "CLUSTER" or None)

    [reply] = Nodes(answer).drive(router(), Query([server.eviction_policy()]))
    assert isinstance(reply, errors.NoPermissionError)
