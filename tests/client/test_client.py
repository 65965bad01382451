"""The JavaScript client against a real server, in Chromium."""

from collections.abc import Callable
from typing import Any

import pytest

from redis_sessions.live import CloseCode
from tests.client.conftest import Site, Tab, until

CONNECTING, OPEN, CLOSED = 0, 1, 3
NEVER = 600_000  # ms: a delay that no test sees the end of
REFUSED = '{"session_claim": "0000000000000000000000000"}'  # nobody has made it
AT_ONCE = [CloseCode.ENDED, CloseCode.LOGGED_IN, CloseCode.RENEWED]
OVER = [CloseCode.LOGGED_OUT, CloseCode.EXPIRED, CloseCode.REVOKED, CloseCode.REPLACED]


def test_what_the_consumer_sends_is_a_message_and_what_the_page_sends_arrives(tab: Tab) -> None:
    tab.start()
    assert tab.see("open")["state"] == OPEN
    assert tab.answer("who") == '{"user": "AnonymousUser"}'
    assert tab.run("return violations") == []


def test_a_module_may_import_it(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("/module/")
    until(lambda: tab.run("return typeof start") == "function")
    tab.start().see("open")
    assert tab.run("return [live instanceof EventTarget, violations]") == [True, []]


def test_listeners_may_be_options_and_attributes(tab: Tab) -> None:
    tab.run("""
        globalThis.heard = [];
        const onopen = () => { heard.push("open"); tell("who"); };
        globalThis.live = new LiveSocket("/ws/", {onopen});
        live.onmessage = (event) => heard.push(JSON.parse(event.data).user);
    """)
    until(lambda: tab.run("return heard") == ["open", "AnonymousUser"])


def test_it_comes_back_when_the_server_does(tab: Tab, site: Site) -> None:
    tab.start(maxDelay=200).see("open")
    site.kill()
    lost = tab.see("close")
    assert (lost["code"], lost["state"]) == (1006, CONNECTING)
    tab.see("close", 4)
    site.start()
    tab.see("open", 2)
    assert tab.answer("who") == '{"user": "AnonymousUser"}'


def test_to_send_while_it_is_not_open_throws(tab: Tab) -> None:
    send = "try { live.send('') } catch (error) { return error.name }"
    tab.start(minDelay=NEVER, maxDelay=NEVER).see("open")
    tab.tell("close_with", code=1013)
    tab.see("close")
    assert tab.run(send) == "InvalidStateError"
    tab.run("live.reconnect()")
    assert tab.run(f"live.reconnect(); {send}") == "InvalidStateError"
    tab.see("open", 2)
    tab.run("live.close()")
    assert tab.run(send) == "InvalidStateError"


@pytest.mark.parametrize("event", ["online", "visibilitychange"])
def test_it_waits_no_longer_when_network_or_user_are_back(tab: Tab, event: str) -> None:
    tab.start(minDelay=NEVER, maxDelay=NEVER).see("open")
    tab.tell("close_with", code=1013)
    assert tab.see("close")["state"] == CONNECTING
    target = "window" if event == "online" else "document"
    tab.run(f"{target}.dispatchEvent(new Event(arguments[0]))", event)
    tab.see("open", 2)
    tab.run(f"{target}.dispatchEvent(new Event(arguments[0]))", event)
    tab.answer("who")
    assert len(tab.seen("open")) == 2


@pytest.mark.parametrize("code", AT_ONCE)
def test_codes_that_say_so_have_it_connect_again_at_once(tab: Tab, code: CloseCode) -> None:
    tab.start(minDelay=NEVER, maxDelay=NEVER).see("open")
    tab.tell("close_with", code=code)
    closed = tab.see("close")
    assert (closed["code"], closed["reason"], closed["state"]) == (code, "because", CONNECTING)
    tab.see("open", 2)
    assert tab.seen("ended") == []


@pytest.mark.parametrize("code", [CloseCode.LOGGED_IN, CloseCode.UNAVAILABLE, 1013])
def test_a_server_that_closes_again_and_again_is_asked_less_and_less(
    tab: Tab, code: CloseCode
) -> None:
    tab.start(f"/ws/?close={code}", minDelay=40, maxDelay=300)
    tab.see("open", 8)
    opened = [event["at"] for event in tab.seen("open")]
    closed = [event["at"] for event in tab.seen("close")]
    waited = [later - earlier for earlier, later in zip(closed, opened[1:], strict=False)]
    if code is CloseCode.LOGGED_IN:
        waited = waited[1:]  # only the first was at once
    for wait, longest in zip(waited, [40, 80, 160, 300, 300, 300], strict=False):
        assert wait >= longest / 2 - 2  # the clock of timers is coarse


@pytest.mark.parametrize("code", OVER)
def test_codes_that_end_the_session_tell_so_and_it_stays_away(tab: Tab, code: CloseCode) -> None:
    tab.start().see("open")
    tab.tell("close_with", code=code)
    ended = tab.see("ended")
    assert (ended["code"], ended["reason"], ended["state"]) == (code, "because", CLOSED)
    assert tab.fetch("/who/") == 200  # time for a connection that must not come
    assert [event["type"] for event in tab.seen()] == ["open", "close", "ended"]


def test_after_the_end_the_browser_goes_to_the_login_page(tab: Tab) -> None:
    tab.start(loginUrl="/who/?next=here").see("open")
    tab.fetch("/begin/")
    tab.run("live.reconnect()")
    tab.see("open", 2)
    tab.fetch("/log-out/")
    until(lambda: tab.driver.current_url.endswith("/who/?next=here"))


def test_a_listener_can_prevent_that(tab: Tab) -> None:
    tab.run("addEventListener('beforeunload', () => seen.push({type: 'left'}))")
    tab.start(loginUrl="/who/").see("open")
    tab.run("live.addEventListener('ended', (event) => event.preventDefault())")
    tab.tell("close_with", code=CloseCode.REVOKED)
    tab.see("ended")
    assert tab.fetch("/who/") == 200
    assert tab.seen("left") == []


def test_codes_can_be_given_other_numbers(tab: Tab) -> None:
    tab.start(codes={"LOGGED_OUT": 4999, "RENEWED": 4998}, minDelay=NEVER).see("open")
    tab.tell("close_with", code=4998)
    tab.see("open", 2)
    tab.tell("close_with", code=4999)
    assert tab.see("ended")["code"] == 4999


@pytest.mark.parametrize("code", [1000, 1008, 3000, 4401, 4998])
def test_after_a_code_of_the_consumers_own_it_stays_away_until_it_is_told(
    tab: Tab, code: int
) -> None:
    tab.start(codes={"LOGGED_OUT": 4999}).see("open")
    tab.tell("close_with", code=code)
    assert tab.see("close")["state"] == CLOSED
    assert tab.fetch("/who/") == 200
    assert [event["type"] for event in tab.seen()] == ["open", "close"]
    tab.run("live.reconnect()")
    tab.see("open", 2)
    assert tab.run("return live.readyState") == OPEN


def test_a_page_can_close_it(tab: Tab) -> None:
    tab.start().see("open")
    tab.run("live.close(4001, 'enough')")
    closed = tab.see("close")
    assert (closed["code"], closed["reason"], closed["state"]) == (4001, "enough", CLOSED)
    assert tab.fetch("/who/") == 200
    assert len(tab.seen("open")) == 1


def test_a_page_can_close_it_while_it_waits(tab: Tab) -> None:
    tab.start(minDelay=NEVER, maxDelay=NEVER).see("open")
    tab.tell("close_with", code=1013)
    assert tab.see("close")["state"] == CONNECTING
    tab.run("live.close()")
    assert tab.see("close", 2)["state"] == CLOSED
    tab.run("dispatchEvent(new Event('online'))")
    assert tab.fetch("/who/") == 200
    assert len(tab.seen("open")) == 1


def test_a_page_that_connects_anew_hears_nothing_more_of_the_former_connection(tab: Tab) -> None:
    tab.start().see("open")
    tab.run("tell('who'); live.reconnect(); live.reconnect()")
    tab.see("open", 2)
    tab.answer("who")
    assert [event["type"] for event in tab.seen()] == ["open", "open", "message"]


def test_after_a_login_over_the_socket_the_next_page_knows_the_user(tab: Tab) -> None:
    tab.start().see("open")
    tab.tell("log_in")
    assert tab.see("claimed")["status"] == 204
    assert tab.seen("message") == []
    assert tab.answer("who") == '{"user": "ada"}'
    cookie = tab.driver.get_cookie("sessionid")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert tab.visit("/who/") == "ada"


def test_a_cookie_that_is_worth_nothing_does_not_hinder_a_claim(tab: Tab) -> None:
    tab.driver.add_cookie({"name": "sessionid", "value": "0" * 40})
    tab.start().see("open")
    tab.tell("log_in")
    assert tab.see("claimed")["status"] == 204
    assert tab.visit("/who/") == "ada"


def test_a_page_that_leaves_at_once_after_a_login_gets_the_cookie_all_the_same(tab: Tab) -> None:
    tab.start(claimUrl="/slow-claim/").see("open")
    tab.run("live.onmessage = () => location.assign('/who/')")
    tab.tell("log_in")
    tab.tell("who")
    until(lambda: tab.driver.current_url.endswith("/who/"))
    assert tab.run("return document.body.innerText") == "AnonymousUser"
    until(lambda: tab.visit("/who/") == "ada")


def test_another_tab_is_sent_away_and_comes_back_with_the_new_cookie(
    open_tab: Callable[..., Tab],
) -> None:
    first = open_tab()
    first.fetch("/begin/")
    second = open_tab().start()
    second.see("open")
    first.start().see("open")
    first.tell("log_in")
    assert second.see("close")["code"] == CloseCode.LOGGED_IN
    until(lambda: knows_ada(second), lambda: str(second.seen()))
    assert first.seen("close") == []


def test_a_login_by_http_brings_the_sockets_of_all_tabs_to_the_new_user(
    open_tab: Callable[..., Tab],
) -> None:
    first = open_tab()
    first.fetch("/begin/")
    tabs = [first.start(), open_tab().start()]
    for tab in tabs:
        tab.see("open")
    first.fetch("/log-in/")
    for tab in tabs:
        assert tab.see("close")["code"] == CloseCode.LOGGED_IN
        until(lambda tab=tab: knows_ada(tab), lambda tab=tab: str(tab.seen()))


def knows_ada(tab: Tab) -> bool:
    """Tell whether a consumer has taken the page for ada; ask again otherwise."""
    tab.run("if (live.readyState === 1) tell('who')")
    return any("ada" in event["data"] for event in tab.seen("message"))


def test_a_claim_that_is_refused_is_told_with_its_status(tab: Tab) -> None:
    tab.start().see("open")
    tab.tell("say", text=REFUSED)
    assert tab.see("claimfailed")["status"] == 410
    assert tab.seen("message") == []


def test_a_page_whose_claim_is_refused_comes_to_the_session_that_the_browser_has(
    open_tab: Callable[..., Tab],
) -> None:
    first = open_tab().start(minDelay=NEVER, maxDelay=NEVER)
    first.see("open")
    open_tab().fetch("/begin/")
    first.tell("log_in")  # over a socket that has no part in the session which has begun
    assert first.see("claimfailed")["status"] == 410
    left = first.see("close")
    assert (left["code"], left["state"]) == (CloseCode.ENDED, CONNECTING)
    first.see("open", 2)
    assert first.answer("who") == '{"user": "AnonymousUser"}'
    first.tell("log_in")
    assert first.see("claimed")["status"] == 204
    assert first.visit("/who/") == "ada"


def test_a_listener_can_have_it_stay_after_a_claim_that_was_refused(tab: Tab) -> None:
    tab.start().see("open")
    tab.run("live.onclaimfailed = (event) => event.preventDefault()")
    tab.tell("say", text=REFUSED)
    assert tab.see("claimfailed")["status"] == 410
    assert tab.answer("who") == '{"user": "AnonymousUser"}'
    assert tab.seen("close") == []


def test_claims_that_are_refused_again_and_again_are_no_storm(tab: Tab) -> None:
    tab.start(minDelay=40, maxDelay=300).see("open")
    tab.run("live.onopen = () => tell('say', {text: arguments[0]})", REFUSED)
    tab.tell("say", text=REFUSED)
    tab.see("open", 8)
    opened = [event["at"] for event in tab.seen("open")]
    closed = [event["at"] for event in tab.seen("close")]
    waited = [later - earlier for earlier, later in zip(closed, opened[1:], strict=False)]
    for wait, longest in zip(waited[1:], [40, 80, 160, 300, 300, 300], strict=False):
        assert wait >= longest / 2 - 2  # the clock of timers is coarse


def test_a_refused_claim_of_a_connection_that_is_over_ends_none_after_it(tab: Tab) -> None:
    tab.start(claimUrl="/slow-claim/").see("open")
    tab.tell("say", text=REFUSED)
    tab.tell("close_with", code=CloseCode.RENEWED)
    tab.see("open", 2)
    assert tab.see("claimfailed")["status"] == 410
    assert tab.answer("who") == '{"user": "AnonymousUser"}'
    assert len(tab.seen("close")) == 1


def test_a_claim_that_nobody_takes_is_told_without_a_status(tab: Tab) -> None:
    tab.start(claimUrl="http://127.0.0.1:9/").see("open")
    tab.tell("say", text=REFUSED)
    assert tab.see("claimfailed")["status"] == 0
    assert tab.answer("who") == '{"user": "AnonymousUser"}'
    assert tab.seen("close") == []


def test_an_answer_from_elsewhere_is_no_cookie(tab: Tab) -> None:
    tab.start(claimUrl="/moved-claim/").see("open")
    tab.tell("log_in")
    tab.see("claimfailed")
    assert tab.seen("claimed") == []


@pytest.mark.parametrize(
    "text",
    [
        '{"session_claim": "0", "more": 1}',
        '{"session_claim": 1}',
        '[{"session_claim": "0"}]',
        'not JSON: "session_claim"',
        'null "session_claim"',
        "null",
    ],
)
def test_what_is_more_or_less_than_a_claim_is_a_message(tab: Tab, text: str) -> None:
    tab.start().see("open")
    assert tab.answer("say", text=text) == text
    assert len(tab.seen()) == 2


def test_without_a_claim_url_a_claim_is_a_message(tab: Tab) -> None:
    tab.start(claimUrl=None).see("open")
    assert tab.answer("say", text=REFUSED) == REFUSED


def test_every_code_that_the_server_knows_is_known_to_the_client(tab: Tab) -> None:
    source: Any = tab.run(
        "return fetch('/static/redis_sessions/live.js').then((answer) => answer.text())"
    )
    for code in CloseCode:
        assert f"{code.name}: {code.value}" in source
