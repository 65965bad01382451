"""The sums over sessions: classes of size, and what a higher limit of listpacks would win."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from redis_sessions.inspection import Kind
from redis_sessions.tally import LIMITS, SIZES, Found, Tally

SMALL = Found(Kind.LOGGED_IN, memory=300, encoding="listpack", content=200, longest=60, fields=8)


def tally(*founds: Found) -> dict[str, Any]:
    sums = Tally()
    for found in founds:
        sums.add(found)
    return sums.report()


def gains(report: dict[str, Any]) -> dict[int, tuple[int, int | None]]:
    return {
        gain["hash_max_listpack_value"]: (gain["sessions"], gain["bytes"])
        for gain in report["listpack_gains"]
    }


def test_a_class_of_size_includes_its_bound() -> None:
    founds = [SMALL._replace(memory=size + more) for size in SIZES for more in (0, 1)]
    assert [(size["up_to"], size["sessions"]) for size in tally(*founds)["sizes"]] == [
        (SIZES[0], 1),
        *((size, 2) for size in SIZES[1:]),
        (None, 1),
    ]


def test_a_gain_is_what_a_table_takes_beyond_what_listpacks_take() -> None:
    big = SMALL._replace(encoding="hashtable", memory=1000, content=400, longest=200)
    bigger = big._replace(memory=2000, content=900, longest=700)
    report = tally(SMALL, SMALL._replace(memory=302), SMALL._replace(memory=900), big, bigger)
    overhead = 102  # the median
    one, other = 1000 - 400 - overhead, 2000 - 900 - overhead
    assert gains(report) == {128: (0, 0), 256: (1, one), 512: (1, one), 1024: (2, one + other)}


def test_a_gain_is_not_known_where_no_session_is_a_listpack() -> None:
    big = SMALL._replace(encoding="hashtable", memory=1000, longest=100)
    assert gains(tally(big))[128] == (1, None)


def test_a_session_of_very_many_keys_would_be_no_listpack() -> None:
    big = SMALL._replace(encoding="hashtable", memory=1000, longest=60, fields=129)
    assert gains(tally(SMALL, big))[1024] == (0, 0)


def test_a_gain_is_never_a_loss() -> None:
    big = SMALL._replace(encoding="hashtable", memory=300, content=300, longest=100)
    assert gains(tally(SMALL, big))[128] == (1, 0)


@given(
    st.lists(
        st.builds(
            Found,
            st.sampled_from(Kind),
            st.integers(1, 2**32),
            st.sampled_from(["listpack", "hashtable", "string"]),
            st.integers(0, 2**32),
            st.integers(0, 2000),
            st.integers(0, 500),
        )
    )
)
def test_nothing_is_lost_in_the_sums(founds: list[Found]) -> None:
    report = json.loads(json.dumps(tally(*founds)))
    sessions = report["sessions"]
    assert sessions.pop("total") == sum(sessions.values()) == len(founds)
    assert sum(size["sessions"] for size in report["sizes"]) == len(founds)
    assert sum(report["encodings"].values()) == len(founds)
    assert report["memory"]["records"] == sum(found.memory for found in founds)
    counts = [sessions for sessions, _ in gains(report).values()]
    assert counts == sorted(counts)
    assert len(counts) == len(LIMITS)
