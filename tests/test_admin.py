"""The page "Active sessions" of Django's admin: what it shows to whom, and what it ends."""

import logging
import re
from typing import Any

import pytest
import redis
from django.contrib import admin
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.urls import path

from redis_sessions import users
from redis_sessions.admin import ActiveSessionAdmin
from redis_sessions.models import ActiveSession
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.people import FIREFOX
from tests.servers import free_port

pytestmark = pytest.mark.django_db


class OtherSite(admin.AdminSite):
    """An AdminSite of a site's own."""


other = OtherSite(name="staff")
other.register(ActiveSession, ActiveSessionAdmin)

urlpatterns = [path("admin/", admin.site.urls), path("staff/", other.urls)]

LIST, END = "/admin/redis_sessions/activesession/", "/admin/redis_sessions/activesession/end/"
SCRIPT = "<script>alert(1)</script>"
SECRET = "nobody may read this"


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    if not admin.site.is_registered(User):
        admin.site.register(User, UserAdmin)


@pytest.fixture
def root() -> Client:
    """The browser of somebody who may do everything."""
    return browser(User.objects.create_superuser("root", "root@example.com"))


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", "ada@example.com")


def staff(*permissions: str) -> Client:
    """Return the browser of one of the staff who has these permissions."""
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    assert user.user_permissions.count() == len(permissions)
    return browser(user)


def browser(user: User, **headers: Any) -> Client:
    client = Client(**headers)
    client.force_login(user)
    return client


def log_in(user: User, **data: Any) -> SessionStore:
    """Return a new session of a user's."""
    session = SessionStore(browser(user).cookies["sessionid"].value)
    session.update(data)
    session.save()
    return session


def is_there(session: SessionStore) -> bool:
    return SessionStore().exists(session.session_key)


def own(client: Client) -> SessionStore:
    return SessionStore(client.cookies["sessionid"].value)


def page(client: Client, url: str = LIST, **query: Any) -> str:
    response = client.get(url, query)
    assert response.status_code == 200, response
    return response.content.decode()


def text(html: str) -> str:
    """Return what a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def chosen(html: str) -> set[str]:
    """Return the ids that a page lets one tick."""
    return set(re.findall(r'type="checkbox" name="id" value="(\w+)"', html))


def end(client: Client, **form: Any) -> Any:
    return client.post(END, {"confirmed": "yes"} | form, follow=True)


def logged() -> list[tuple[str, str, int]]:
    return [
        (entry.object_id, entry.object_repr, entry.action_flag) for entry in LogEntry.objects.all()
    ]


def test_the_index_of_the_admin_names_the_page(root: Client) -> None:
    assert f'href="{LIST}"' in page(root, "/admin/")
    assert "Active sessions" in page(root, "/admin/")


def test_a_user_is_found_by_name_by_key_and_by_what_the_page_of_users_searches(
    root: Client, ada: User
) -> None:
    for query in ("ada", str(ada.pk), "ada@example"):
        assert root.get(LIST, {"q": query}).headers["Location"] == f"{LIST}?user={ada.pk}"


def test_a_search_that_finds_several_users_names_them(root: Client, ada: User) -> None:
    User.objects.create_user("adam")
    html = page(root, q="ada")
    assert re.findall(r"\?user=(\d+)", html) == [str(ada.pk), str(ada.pk + 1)]


def test_a_search_that_finds_many_users_shows_the_first(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ActiveSessionAdmin, "users_shown", 2)
    for name in ("eva", "evan", "evander"):
        User.objects.create_user(name)
    html = page(root, q="ev")
    assert html.count("?user=") == 2
    assert "There are more" in html


def test_a_session_is_found_by_its_id(root: Client, ada: User) -> None:
    session = log_in(ada)
    assert root.get(LIST, {"q": session.id}).headers["Location"] == f"{LIST}{session.id}/"


def test_an_id_that_is_also_a_username_leads_to_both(root: Client, ada: User) -> None:
    session = log_in(ada)
    namesake = User.objects.create_user(session.id)
    html = page(root, q=session.id)
    assert f"{LIST}{session.id}/" in html
    assert f"?user={namesake.pk}" in html


@pytest.mark.parametrize("query", ["nobody", "0" * 14, "no\0body", "9" * 30, SCRIPT])
def test_a_search_that_finds_nothing_says_so(root: Client, query: str) -> None:
    html = page(root, q=query)
    assert "There is no user and no session" in html
    assert SCRIPT not in html


def test_who_may_not_view_users_finds_them_only_by_name_or_key(ada: User) -> None:
    client = staff("view_activesession")
    assert "There is no user" in page(client, q="ada@example")
    assert client.get(LIST, {"q": "ada"}).status_code == 302


def test_the_list_shows_sessions_with_device_address_and_times(root: Client, ada: User) -> None:
    session = own(browser(ada))
    session.meta = {"HTTP_USER_AGENT": FIREFOX, "REMOTE_ADDR": "192.0.2.7"}
    session["n"] = 1
    session.save()
    html = page(root, user=ada.pk)
    assert session.id in html
    assert "Firefox" in html
    assert "192.0.2.7" in html
    info = users.sessions_of(ada)[0]
    assert f"{info.expires:%Y}" in text(html)


def test_the_list_shows_no_data_and_no_secret(root: Client, ada: User) -> None:
    session = log_in(ada, note=SECRET)
    for html in (page(root, user=ada.pk), page(root, f"{LIST}{session.id}/")):
        assert SECRET not in html
        assert session.session_key[14:] not in html
        assert ada.get_session_auth_hash() not in html


def test_what_a_browser_calls_itself_is_escaped(root: Client, ada: User) -> None:
    session = SessionStore(browser(ada).cookies["sessionid"].value)
    session.meta = {"HTTP_USER_AGENT": SCRIPT}
    session["n"] = 1
    session.save()
    for html in (page(root, user=ada.pk), page(root, f"{LIST}{session.id}/")):
        assert "&lt;script&gt;alert(1)" in html
        assert SCRIPT not in html


def test_a_list_has_pages(root: Client, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActiveSessionAdmin, "list_per_page", 2)
    sessions = {log_in(ada).id for _ in range(5)}
    pages = [page(root, user=ada.pk, page=number) for number in range(3)]
    assert [len(chosen(html)) for html in pages] == [2, 2, 1]
    assert set().union(*map(chosen, pages)) == sessions
    assert ["next" in text(html).split() for html in pages] == [True, True, False]
    assert ["previous" in text(html).split() for html in pages] == [False, True, True]


def test_a_list_of_nobody_known_leads_back(root: Client) -> None:
    response = root.get(LIST, {"user": "12345"}, follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    assert "There is no user with the key “12345”" in response.content.decode()


def test_a_user_without_sessions_has_an_empty_list(root: Client, ada: User) -> None:
    assert "This user has no sessions here." in page(root, user=ada.pk)


def test_names_and_sizes_of_keys_need_a_permission_of_their_own(ada: User) -> None:
    session = log_in(ada, basket_of_fruit="three apples")
    url = f"{LIST}{session.id}/"
    client = staff("view_activesession")
    assert "basket_of_fruit" not in page(client, url)
    User.objects.get(username="staff").user_permissions.add(
        Permission.objects.get(codename="view_session_keys")
    )
    html = page(client, url)
    assert "basket_of_fruit 12" in text(html)
    assert "three apples" not in html


def test_the_names_of_keys_are_escaped(root: Client, ada: User) -> None:
    session = log_in(ada, **{SCRIPT: 1})
    html = page(root, f"{LIST}{session.id}/")
    assert "&lt;script&gt;" in html
    assert SCRIPT not in html


def test_a_visitors_session_is_shown_and_ended(root: Client) -> None:
    session = SessionStore()
    session["n"] = 1
    session.save()
    assert "State anonymous" in text(page(root, f"{LIST}{session.id}/"))
    end(root, id=session.id)
    assert not is_there(session)


def test_a_record_that_cannot_be_read_is_shown_with_its_fault_and_ended(
    root: Client, redis_client: redis.Redis
) -> None:
    session = SessionStore()
    session["n"] = 1
    session.save()
    redis_client.hset(f"session:{{{session.id}}}", "n", b"forged")
    html = text(page(root, f"{LIST}{session.id}/"))
    assert "State unreadable" in html
    assert "the signature does not match" in html
    end(root, id=session.id)
    assert not redis_client.exists(f"session:{{{session.id}}}")


def test_a_session_whose_user_is_not_in_the_database_is_shown(root: Client, settings: Any) -> None:
    settings.REDIS_SESSIONS = {"END_WITH_USER": False}
    ada = User.objects.create_user("ada")
    session = log_in(ada)
    key = ada.pk
    ada.delete()
    assert f"{key} (not in the database)" in text(page(root, f"{LIST}{session.id}/"))


@pytest.mark.parametrize("name", ["0" * 14, "nonsense", "x" * 200, "\0"])
def test_a_session_that_is_not_there_leads_back(root: Client, name: str) -> None:
    response = root.get(f"{LIST}{name}/", follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    assert "There is no session" in response.content.decode()


def test_nothing_ends_before_it_was_confirmed(root: Client, ada: User) -> None:
    session = log_in(ada)
    html = root.post(END, {"user": ada.pk, "id": session.id}).content.decode()
    assert f"{session.id} (ada)" in html
    assert 'name="confirmed"' in html
    assert is_there(session)


def test_what_was_chosen_ends_and_nothing_else(root: Client, ada: User) -> None:
    one, two, three = log_in(ada), log_in(ada), log_in(ada)
    response = end(root, user=ada.pk, id=[one.id, two.id])
    assert response.redirect_chain == [(f"{LIST}?user={ada.pk}", 302)]
    assert "Ended 2 sessions." in response.content.decode()
    assert [is_there(session) for session in (one, two, three)] == [False, False, True]
    assert [info.id for info in users.sessions_of(ada)] == [three.id]


def test_all_of_a_user_end_after_a_confirmation(root: Client, ada: User) -> None:
    sessions = [log_in(ada) for _ in range(3)]
    stranger = log_in(User.objects.create_user("eva"))
    html = root.post(END, {"user": ada.pk, "all": "x", "id": sessions[0].id}).content.decode()
    assert "All sessions of ada are to end" in html
    assert "goes on" not in html
    assert all(map(is_there, sessions))
    end(root, user=ada.pk, all="yes")
    assert not any(map(is_there, sessions))
    assert is_there(stranger)


def test_each_page_has_a_title_of_its_own(root: Client, ada: User) -> None:
    session = log_in(ada)
    ending = root.post(END, {"user": ada.pk, "id": session.id}).content.decode()
    pages = [page(root, LIST), page(root, user=ada.pk), page(root, f"{LIST}{session.id}/"), ending]
    titles = [re.findall(r"<title>(.*?) \| Django site admin</title>", html)[0] for html in pages]
    assert titles == [
        "Active sessions",
        "ada | Active sessions",
        f"{session.id} | Active sessions",
        "ada | End sessions",
    ]


def test_where_nothing_can_be_ended_nothing_is_offered(root: Client, ada: User) -> None:
    one, all_ = "End the chosen", 'name="all"'
    mine = User.objects.get(username="root").pk
    log_in(ada)
    html = page(root, user=ada.pk)
    assert (one in html, all_ in html) == (True, False)
    log_in(ada)
    html = page(root, user=ada.pk)
    assert (one in html, "End all of this user" in html) == (True, True)
    html = page(root, user=mine)
    assert (one in html, all_ in html) == (False, False)


def test_the_session_of_the_request_goes_on(root: Client) -> None:
    user = User.objects.get(username="root")
    current, another = own(root), log_in(user)
    html = page(root, user=user.pk)
    assert chosen(html) == {another.id}
    assert "End all others" in html
    html = root.post(END, {"user": user.pk, "all": "x"}).content.decode()
    assert "This one goes on." in html
    assert "No session was chosen." in end(root, id=current.id).content.decode()
    assert "Ended 1 session." in end(root, user=user.pk, all="yes").content.decode()
    assert is_there(current)
    assert not is_there(another)
    assert "End this session" not in page(root, f"{LIST}{current.id}/")


def test_what_was_ended_is_in_the_log_of_the_admin(root: Client, ada: User) -> None:
    one, two, three = log_in(ada), log_in(ada), log_in(ada)
    end(root, id=one.id)
    end(root, user=ada.pk, all="yes")
    expected = {(session.id, f"{session.id} (ada)", DELETION) for session in (one, two, three)}
    assert set(logged()) == expected
    assert len(logged()) == 3
    assert f"{one.id} (ada)" in page(root, "/admin/")


def test_what_had_ended_already_is_not_logged(root: Client, ada: User) -> None:
    session = log_in(ada)
    users.end_session(ada, session.id)
    assert "No session was chosen." in end(root, id=session.id).content.decode()
    assert logged() == []


def test_sessions_end_though_the_database_cannot_be_written(
    root: Client, ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    session = log_in(ada)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
    try:
        with caplog.at_level(logging.WARNING, "redis_sessions"):
            response = end(root, id=session.id)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = OFF")
    assert "Ended 1 session." in response.content.decode()
    assert not is_there(session)
    assert session.id in caplog.text
    assert "readonly database" in caplog.text
    assert logged() == []


def test_who_may_only_view_ends_nothing(ada: User) -> None:
    session = log_in(ada)
    client = staff("view_activesession")
    assert end(client, id=session.id).status_code == 403
    assert end(client, user=ada.pk, all="yes").status_code == 403
    assert is_there(session)
    html = page(client, user=ada.pk) + page(client, f"{LIST}{session.id}/")
    assert "End " not in html
    assert chosen(html) == set()


@pytest.mark.parametrize("url", [LIST, f"{LIST}?user=1", f"{LIST}?q=ada", f"{LIST}{'0' * 14}/"])
def test_staff_without_the_permission_see_nothing(url: str) -> None:
    client = staff("delete_activesession", "view_session_keys")
    assert client.get(url).status_code == 403


def test_who_is_no_staff_is_asked_to_log_in(ada: User) -> None:
    session = log_in(ada)
    response = browser(ada).post(END, {"confirmed": "yes", "id": session.id})
    assert response.headers["Location"].startswith("/admin/login/")
    assert is_there(session)


def test_ending_takes_a_post_with_the_token(ada: User) -> None:
    session = log_in(ada)
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.get(END, {"confirmed": "yes", "id": session.id}).status_code == 405
    assert client.post(END, {"confirmed": "yes", "id": session.id}).status_code == 403
    assert is_there(session)
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page(client, user=ada.pk))
    form = {"confirmed": "yes", "id": session.id, "csrfmiddlewaretoken": token[1]}
    assert client.post(END, form).status_code == 302
    assert not is_there(session)


def test_the_page_of_a_user_leads_to_their_sessions(root: Client, ada: User) -> None:
    html = page(root, f"/admin/auth/user/{ada.pk}/change/")
    assert f'href="{LIST}?user={ada.pk}"' in html
    assert "History" in html


def test_the_link_is_not_shown_to_who_may_not_follow_it(ada: User) -> None:
    html = page(staff("view_user"), f"/admin/auth/user/{ada.pk}/change/")
    assert LIST not in html


def test_users_whom_staff_may_not_see_have_no_sessions_to_see(
    root: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = log_in(ada)
    monkeypatch.setattr(
        UserAdmin, "get_queryset", lambda self, request: User.objects.exclude(username="ada")
    )
    assert root.get(LIST, {"user": ada.pk}).status_code == 302
    assert "There is no user" in page(root, q="ada")
    assert "There is no user" in page(root, q=session.id)
    assert root.get(f"{LIST}{session.id}/").status_code == 302
    end(root, id=session.id)
    end(root, user=ada.pk, all="yes")
    assert is_there(session)


def test_what_a_site_allows_by_user_holds_for_one_session_and_for_all(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss, ada = User.objects.create_user("boss"), User.objects.create_user("ada")
    protected, session = log_in(boss), log_in(ada)

    def allows(self: Any, request: Any, obj: Any = None) -> bool:
        return obj is None or obj.user != boss

    monkeypatch.setattr(ActiveSessionAdmin, "has_delete_permission", allows)
    assert chosen(page(root, user=boss.pk)) == set()
    assert "End this session" not in page(root, f"{LIST}{protected.id}/")
    assert end(root, user=boss.pk, all="yes").status_code == 403
    end(root, user=ada.pk, id=[protected.id, session.id])
    assert is_there(protected)
    assert not is_there(session)
    monkeypatch.setattr(ActiveSessionAdmin, "has_view_permission", allows)
    assert root.get(LIST, {"user": boss.pk}).status_code == 403
    assert root.get(f"{LIST}{protected.id}/").status_code == 403
    assert root.get(LIST, {"user": ada.pk}).status_code == 200


def test_another_admin_site_links_to_its_own_pages(root: Client, ada: User) -> None:
    session = log_in(ada)
    there = LIST.replace("/admin/", "/staff/")
    for html in (page(root, there, user=ada.pk), page(root, f"{there}{session.id}/")):
        assert f'action="{there}end/"' in html
        assert "/admin/" not in html.replace("/static/admin/", "")
    assert root.get(there, {"q": "ada"}).headers["Location"] == f"{there}?user={ada.pk}"
    response = root.post(f"{there}end/", {"confirmed": "yes", "id": session.id})
    assert response.headers["Location"] == there
    assert not is_there(session)


def test_a_server_that_is_away_is_a_503(root: Client, settings: Any) -> None:
    settings.CACHES = caches(f"redis://127.0.0.1:{free_port()}/0")
    assert root.get(LIST).status_code == 503


def test_a_list_costs_a_bounded_number_of_queries(
    root: Client, ada: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        log_in(ada)
    with django_assert_max_num_queries(2):
        page(root, user=ada.pk)
