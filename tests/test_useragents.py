"""User agents in words, with ua-parser and without."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from redis_sessions import useragents
from redis_sessions.useragents import Description, describe
from redis_sessions.users import sessions_of
from tests.conftest import Do
from tests.people import FIREFOX, log_in, person
from tests.properties import given

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
DOTS = "\N{HORIZONTAL ELLIPSIS}"
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 "


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """Let no test see what another has cached."""
    describe.cache_clear()
    yield
    describe.cache_clear()
    useragents._parser.cache_clear()


@pytest.fixture
def without_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no ua-parser installed."""
    monkeypatch.setitem(sys.modules, "ua_parser", None)
    describe.cache_clear()
    useragents._parser.cache_clear()


@pytest.mark.parametrize(
    ("user_agent", "words", "device"),
    [
        (FIREFOX, "Firefox on Linux", ""),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
         "Firefox on Ubuntu", ""),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME}Safari/537.36",
         "Chrome on Windows", ""),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME}Safari/537.36 Edg/142.0.0.0",
         "Edge on Windows", ""),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {SAFARI}Safari/605.1.15",
         "Safari on macOS", ""),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {SAFARI}Mobile/15E148",
         "Safari on iOS", "iPhone"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME}Mobile Safari/537.36",
         "Chrome on Android", ""),
        (f"Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) {CHROME}Mobile Safari/537.36",
         "Chrome on Android", "Pixel 8 Pro"),
        ("curl/8.5.0", "curl", ""),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
         "Googlebot", ""),
    ],
)  # fmt: skip
def test_a_user_agent_is_said_in_words(user_agent: str, words: str, device: str) -> None:
    description = describe(user_agent)
    assert (str(description), description.device) == (words, device)
    assert description.user_agent == user_agent


def test_browser_and_system_can_be_had_by_themselves() -> None:
    description = describe(FIREFOX)
    assert (description.browser, description.system) == ("Firefox", "Linux")


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (Description("Firefox", "Linux"), "Firefox on Linux"),
        (Description(browser="Firefox", device="Pixel 8"), "Firefox"),
        (Description(system="Linux"), "Linux"),
        (Description(device="Pixel 8", user_agent="x"), "Pixel 8"),
        (Description(user_agent="x"), "x"),
        (Description(user_agent=" a \t b "), "a b"),
        (Description(user_agent="x" * 60), "x" * 60),
        (Description(user_agent="x" * 31 + "y" * 30), "x" * 29 + DOTS + "y" * 30),
        (Description(user_agent="Mozilla/5.0 x"), "x"),
        (Description(user_agent="Mozilla/5.0"), "Mozilla/5.0"),
        (Description(), "Unknown device"),
    ],
)
def test_words_say_as_much_as_is_known(description: Description, words: str) -> None:
    assert str(description) == words


@pytest.mark.usefixtures("without_parser")
def test_without_ua_parser_a_user_agent_is_shown_without_its_middle() -> None:
    edge = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME}Safari/537.36 Edg/142.0.0.0"
    assert describe(edge) == Description(user_agent=edge)
    assert (
        str(describe(edge)) == f"(Windows NT 10.0; Win64; x64){DOTS}.0 Safari/537.36 Edg/142.0.0.0"
    )


@pytest.mark.usefixtures("without_parser")
def test_without_ua_parser_two_browsers_of_one_system_can_be_told_apart() -> None:
    chrome = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME}Safari/537.36"
    assert str(describe(chrome)) != str(describe(f"{chrome} Edg/142.0.0.0"))


def test_a_user_agent_whose_device_breaks_ua_parser_is_described_without() -> None:
    hostile = "Mozilla/5.0 (Linux; Android 4;  )"  # ValueError in ua-parser 1.0.2
    assert describe(hostile) == Description("Android", "Android", "", hostile)


def test_where_ua_parser_fails_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(user_agent: str) -> None:
        raise ValueError(user_agent)

    monkeypatch.setattr("ua_parser.parse_os", fail)
    assert describe(FIREFOX) == Description("Firefox", "", "", FIREFOX)


@given(st.text(max_size=512))
def test_any_user_agent_can_be_described(user_agent: str) -> None:
    assert 0 < len(str(describe(user_agent))) <= 512


def test_a_user_agent_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(useragents, "_parsed", lambda parse, _: parsed.append(parse))
    for _ in range(3):
        describe("a user agent of this test only")
    assert parsed == ["parse_user_agent", "parse_os", "parse_device"]


def test_nothing_is_parsed_at_a_login(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(useragents, "_parsed", lambda parse, _: asked.append(parse))
    log_in(do, HTTP_USER_AGENT="never seen before", REMOTE_ADDR="192.0.2.7")
    assert [one.user_agent for one in sessions_of(person())] == ["never seen before"]
    assert asked == []
