"""The demo over HTTP and WebSocket: two ways into one session."""

import json
import re
import runpy
import urllib.error
import urllib.parse

import pytest
import redis
from channels_redis.core import RedisChannelLayer
from websockets.exceptions import InvalidStatus

from tests.example.demo import (
    EXAMPLE,
    TIMES,
    Site,
    Visitor,
    ask,
    claimed,
    closed,
    receive,
    see,
    shown,
)


def test_a_visitor_who_says_nothing_gets_no_session(
    visitor: Visitor, redis_client: redis.Redis
) -> None:
    page = visitor.get()
    with visitor.socket() as live:
        assert receive(live, "state")["id"] is None
        assert receive(live, "record")["record"] is None
    assert shown(page, "http-name") == "not set"
    assert "sessionid" not in visitor.cookies
    assert redis_client.keys("session:*") == []


def test_a_name_set_by_http_is_seen_over_the_websocket(visitor: Visitor) -> None:
    assert shown(visitor.post("do/name/", name="Ada"), "http-name") == "Ada"
    with visitor.socket() as live:
        assert receive(live, "state")["name"] == "Ada"


def test_a_name_set_over_the_websocket_is_seen_by_http(visitor: Visitor) -> None:
    visitor.post("do/name/", name="Ada")
    with visitor.socket() as live:
        receive(live, "record")
        assert ask(live, "name", name="Grace")["name"] == "Grace"
        assert shown(visitor.get(), "http-name") == "Grace"


def test_an_open_socket_is_sent_what_http_changes(visitor: Visitor) -> None:
    visitor.post("do/name/", name="Ada")
    with visitor.socket() as live:
        receive(live, "record")
        visitor.post("do/name/", name="Grace")
        visitor.post("do/add/", item="Tea")
        assert see(live, name="Grace", basket=[{"item": "Tea", "count": 1}])


def test_an_open_socket_is_sent_what_another_changes(visitor: Visitor) -> None:
    visitor.post("do/name/", name="Ada")
    with visitor.socket() as live, visitor.socket() as other:
        receive(live, "record")
        ask(other, "name", name="Grace")
        assert see(live, name="Grace")


def test_both_sides_fill_and_empty_one_basket(visitor: Visitor) -> None:
    visitor.post("do/add/", item="Tea")
    with visitor.socket() as live:
        receive(live, "record")
        assert ask(live, "add", item="Tea")["basket"] == [{"item": "Tea", "count": 2}]
        ask(live, "add", item="Bread")
        page = visitor.post("do/remove/", item="Tea")
        assert shown(page, "http-basket") == f"Tea {TIMES} 1 Remove Bread {TIMES} 1 Remove"
        see(live, basket=[{"item": "Tea", "count": 1}, {"item": "Bread", "count": 1}])
        ask(live, "remove", item="Tea")
        assert ask(live, "remove", item="Bread")["basket"] == []
    assert shown(visitor.get(), "http-basket") == "Nothing in it"


def test_a_session_that_begins_over_the_socket_brings_its_cookie_by_a_claim(
    visitor: Visitor,
) -> None:
    with visitor.socket() as live:
        assert ask(live, "name", name="")["id"] is None  # nothing to store yet
        live.send(json.dumps({"do": "name", "name": "Ada"}))
        assert visitor.take(claimed(live)) == 204
        assert see(live, name="Ada")["id"] == visitor.session_key[:14]
    assert shown(visitor.get(), "http-name") == "Ada"


def test_after_a_login_over_the_socket_the_next_page_knows_the_user(visitor: Visitor) -> None:
    visitor.post("do/name/", name="Ada")
    before = visitor.session_key
    with visitor.socket() as live:
        receive(live, "record")
        live.send(json.dumps({"do": "login", "username": "demo", "password": "wrong"}))
        assert receive(live, "error")["text"] == "No user has this name and password."
        live.send(json.dumps({"do": "login", "username": "demo", "password": "demo"}))
        assert visitor.take(claimed(live)) == 204
        assert see(live, user="demo")["id"] == before[:14]
    assert visitor.session_key[:14] == before[:14]
    assert visitor.session_key != before
    page = visitor.get()
    assert (shown(page, "http-user"), shown(page, "http-name")) == ("demo", "Ada")


def test_a_logout_over_the_socket_closes_all_of_them_and_says_why(visitor: Visitor) -> None:
    visitor.post("login/", username="demo", password="demo")
    with visitor.socket() as live, visitor.socket() as other:
        receive(live, "record")
        receive(other, "record")
        live.send(json.dumps({"do": "logout"}))
        assert closed(other) == closed(live) == (4401, "logged out")
    assert shown(visitor.get(), "http-user") == "not logged in"


def test_an_emptied_session_loses_record_and_cookie(
    visitor: Visitor, redis_client: redis.Redis
) -> None:
    visitor.post("do/name/", name="Ada")
    assert redis_client.exists(f"session:{{{visitor.session_key[:14]}}}")
    page = visitor.post("do/name/", name="")
    assert shown(page, "http-name") == "not set"
    assert "sessionid" not in visitor.cookies
    assert redis_client.keys("session:*") == []


def test_a_login_keeps_name_and_id_and_changes_the_secret(visitor: Visitor) -> None:
    visitor.post("do/name/", name="Ada")
    before = visitor.session_key
    page = visitor.post("login/", username="demo", password="demo")
    assert (shown(page, "http-user"), shown(page, "http-name")) == ("demo", "Ada")
    after = visitor.session_key
    assert (after[:14], after != before) == (before[:14], True)
    with visitor.socket() as live:
        state = receive(live, "state")
        assert (state["user"], state["id"]) == ("demo", after[:14])


@pytest.mark.parametrize(
    ("path", "ending"), [("login/", (4405, "logged in")), ("logout/", (4401, "logged out"))]
)
def test_a_login_or_logout_by_http_closes_the_socket_and_says_why(
    visitor: Visitor, path: str, ending: tuple[int, str]
) -> None:
    visitor.post("do/name/", name="Ada")
    with visitor.socket() as live:
        receive(live, "record")
        visitor.post(path, username="demo", password="demo")
        assert closed(live) == ending


def test_a_logout_ends_the_session_for_both_sides(
    visitor: Visitor, redis_client: redis.Redis
) -> None:
    visitor.post("login/", username="demo", password="demo")
    page = visitor.post("logout/")
    assert shown(page, "http-user") == "not logged in"
    assert redis_client.keys("session:{*") == []  # the index forgets the id a little later
    with visitor.socket() as live:
        assert receive(live, "state")["user"] == ""


def test_a_wrong_password_logs_nobody_in(visitor: Visitor) -> None:
    page = visitor.post("login/", username="demo", password="wrong")
    assert "No user has this name and password." in page
    assert shown(page, "http-user") == "not logged in"


def test_no_secret_is_shown(visitor: Visitor, redis_client: redis.Redis) -> None:
    visitor.post("login/", username="demo", password="demo")
    page = visitor.get()
    with visitor.socket() as live:
        frames = json.dumps([receive(live, "state"), receive(live, "record")])
    record = redis_client.hgetall(f"session:{{{visitor.session_key[:14]}}}")
    password_hash = record[b"_auth_user_hash"][13:].hex()
    for secret in (visitor.session_key[14:], password_hash):
        assert secret not in page + frames
    fields = {field["name"]: field for field in json.loads(frames)[1]["record"]["fields"]}
    assert (fields["\\0k"]["size"], fields["\\0k"]["text"]) == ("16", None)
    assert fields["_auth_user_hash"]["text"] is None
    assert fields["_auth_user_id"]["text"] == "1"


def test_a_chat_line_reaches_all_and_is_signed_with_the_name_of_now(site: Site) -> None:
    ada, other = Visitor(site.url), Visitor(site.url)
    ada.post("do/name/", name="Ada")
    with ada.socket() as live, other.socket() as listener:
        receive(live, "record")
        receive(listener, "record")
        ada.post("do/name/", name="Countess")
        live.send(json.dumps({"do": "chat", "text": " Hello "}))
        expected = {"type": "chat", "name": "Countess", "text": "Hello"}
        assert receive(listener, "chat") == receive(live, "chat") == expected


@pytest.mark.parametrize(
    "frame", ["{", "[]", "null", '"name"', "{}", '{"do": "clear"}', '{"do": ["name"]}']
)
def test_a_frame_that_asks_for_nothing_known_is_answered_and_the_socket_stays(
    visitor: Visitor, frame: str
) -> None:
    with visitor.socket() as live:
        receive(live, "record")
        live.send(frame)
        assert receive(live, "error")["text"] == "This frame asks for nothing I know."
        assert ask(live, "name", name="")["name"] == ""


def test_a_name_that_is_too_long_is_refused_on_both_sides(visitor: Visitor) -> None:
    page = visitor.post("do/name/", name="x" * 41)
    assert "at most 40 characters" in page
    assert shown(page, "http-name") == "not set"
    with visitor.socket() as live:
        receive(live, "record")
        live.send(json.dumps({"do": "name", "name": "x" * 41}))
        assert "at most 40 characters" in receive(live, "error")["text"]


def test_an_unknown_action_is_not_found(visitor: Visitor) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        visitor.post("do/clear/")
    assert error.value.code == 404
    error.value.close()


def test_a_form_of_before_a_login_is_told_what_happened_and_led_back(visitor: Visitor) -> None:
    visitor.post("do/name/", name="Ada")
    form = urllib.parse.urlencode({"name": "Grace", "csrfmiddlewaretoken": "x" * 64}).encode()
    with pytest.raises(urllib.error.HTTPError) as error:
        visitor.opener.open(visitor.url + "do/name/", form)
    page = error.value.read().decode()
    error.value.close()
    assert error.value.code == 403
    assert "<h1>This page was out of date</h1>" in page
    assert '<a href="/">Request the page again</a>' in page
    assert shown(visitor.get(), "http-name") == "Ada"


def test_text_of_visitors_is_escaped(visitor: Visitor) -> None:
    page = visitor.post("do/name/", name="<script>alert(1)</script>")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_another_site_cannot_open_a_socket(visitor: Visitor) -> None:
    with pytest.raises(InvalidStatus) as error:
        visitor.socket(origin="http://elsewhere.example").close()
    assert error.value.response.status_code == 403


def test_stylesheet_scripts_and_icon_are_served(visitor: Visitor) -> None:
    for path in re.findall(r'(?:href|src)="/(static/.*?)"', visitor.get()):
        assert visitor.get(path)
    assert "class LiveSocket" in visitor.get("static/redis_sessions/live.js")


def test_the_channel_layer_waits_longer_than_its_blocking_read() -> None:
    configuration = runpy.run_path(str(EXAMPLE / "demo" / "settings.py"))["CHANNEL_LAYERS"]
    layer = RedisChannelLayer(**configuration["default"]["CONFIG"])
    timeout = layer.create_pool(0).make_connection().socket_timeout
    assert timeout is None or timeout > layer.brpop_timeout + 1


def test_an_idle_socket_outlives_the_channel_layers_blocking_read(visitor: Visitor) -> None:
    with visitor.socket() as live:
        receive(live, "record")
        with pytest.raises(TimeoutError):  # and no ConnectionClosed
            live.recv(RedisChannelLayer.brpop_timeout + 1.5)
        assert ask(live, "name", name="")["type"] == "state"
