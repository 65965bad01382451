"""What Django tells of users: logins are noted where that is wanted, sessions end with a user."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import alogin, get_user_model, login, user_logged_in
from django.contrib.auth.models import AbstractBaseUser, Group, User
from django.core import serializers
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django.test import AsyncClient, Client
from django.test.utils import isolate_apps

from redis_sessions import receivers, users
from redis_sessions.exceptions import SessionStoreUnavailable
from redis_sessions.live import CloseCode, LiveSessionMiddlewareStack
from redis_sessions.live import login as live_login
from redis_sessions.session import SessionStore
from tests.caches import caches
from tests.documents import DOCS, modules
from tests.observers import no_commands
from tests.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def logged_in(user: Any) -> SessionStore:
    """Return a session of a user's."""
    client = Client()
    client.force_login(user)
    return SessionStore(client.cookies["sessionid"].value)


def is_there(session: SessionStore) -> bool:
    return SessionStore().exists(session.session_key)


# Sessions end with a user


def deactivate(user: Any) -> None:
    user.is_active = False
    user.save()


def adeactivate(user: Any) -> None:
    user.is_active = False
    asyncio.run(user.asave())


def deactivate_and_save_that_only(user: Any) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


def delete(user: Any) -> None:
    user.delete()


def adelete(user: Any) -> None:
    asyncio.run(user.adelete())


def delete_by_query(user: Any) -> None:
    get_user_model().objects.filter(pk=user.pk).delete()


ENDS = [deactivate, adeactivate, deactivate_and_save_that_only, delete, adelete, delete_by_query]
ends = pytest.mark.parametrize("end", ENDS)
deletes = pytest.mark.parametrize("delete", [delete, adelete, delete_by_query])


@ends
def test_all_sessions_of_a_user_end_with_the_user_and_no_others(
    ada: User, end: Callable[[Any], None], redis_client: redis.Redis
) -> None:
    sessions, other = [logged_in(ada), logged_in(ada)], logged_in(User.objects.create_user("eve"))
    end(ada)
    assert [is_there(session) for session in (*sessions, other)] == [False, False, True]
    assert len(redis_client.keys("session:user:*")) == 1


@pytest.mark.parametrize("end", [deactivate, delete])
async def test_the_sockets_of_a_user_are_closed_with_the_user(
    ada: User, end: Callable[[Any], None], live_socket: Any
) -> None:
    client = AsyncClient()
    await client.aforce_login(ada)
    application = LiveSessionMiddlewareStack(AsyncWebsocketConsumer.as_asgi())
    socket = await live_socket(application, "/", client)
    await sync_to_async(end)(ada)
    message = await socket.receive_output(timeout=10)
    assert (message["type"], message["code"]) == ("websocket.close", CloseCode.REVOKED)


@pytest.mark.parametrize("end", [deactivate, delete])
def test_sessions_end_when_the_transaction_is_committed_and_not_before(
    ada: User, end: Callable[[Any], None]
) -> None:
    session = logged_in(ada)
    with transaction.atomic():
        end(ada)
        assert is_there(session)
    assert not is_there(session)


@pytest.mark.parametrize("end", [deactivate, delete])
def test_a_transaction_that_is_rolled_back_ends_no_session(
    ada: User, end: Callable[[Any], None], redis_client: redis.Redis
) -> None:
    session = logged_in(ada)
    with no_commands(redis_client), transaction.atomic():
        end(ada)
        transaction.set_rollback(True)
    assert is_there(session)


@pytest.mark.parametrize("end", [deactivate, delete])
def test_sessions_end_at_once_where_a_site_commits_by_hand(
    ada: User, end: Callable[[Any], None]
) -> None:
    session = logged_in(ada)
    transaction.set_autocommit(False)
    try:
        end(ada)
        assert not is_there(session)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)


@pytest.mark.parametrize("end", [deactivate, delete])
def test_no_session_ends_with_a_user_where_the_site_does_not_want_it(
    ada: User, end: Callable[[Any], None], settings: Any, redis_client: redis.Redis
) -> None:
    settings.REDIS_SESSIONS = {"END_WITH_USER": False}
    session, pk = logged_in(ada), ada.pk
    end(ada)
    assert is_there(session)
    assert redis_client.zscore(f"session:user:{{{pk}}}", session.id)


def test_where_no_session_ends_with_a_user_a_deactivation_does_not_reach_the_server(
    ada: User, settings: Any, redis_client: redis.Redis
) -> None:
    settings.REDIS_SESSIONS = {"END_WITH_USER": False}
    with no_commands(redis_client):
        deactivate(ada)


@deletes
@pytest.mark.parametrize("where", ["database", "redis", "off"])
def test_the_server_holds_nothing_of_a_user_who_was_deleted(
    ada: User, delete: Callable[[Any], None], where: str, settings: Any, redis_client: redis.Redis
) -> None:
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": "redis"}
    lost, *_ = [logged_in(ada) for _ in range(3)]
    redis_client.delete(f"session:{{{lost.id}}}")
    assert redis_client.dbsize() == 4  # two records, the index, the last login
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": where}
    delete(ada)
    assert redis_client.keys() == []


def test_an_index_that_is_none_goes_with_the_user_too(ada: User, redis_client: redis.Redis) -> None:
    redis_client.set(f"session:user:{{{ada.pk}}}", "planted")
    delete(ada)
    assert redis_client.keys() == []


def save(user: Any) -> None:
    user.save()


def save_what_else_changed_of_one_who_is_inactive_in_memory(user: Any) -> None:
    user.is_active = False
    user.save(update_fields=["first_name"])


def save_without_having_read_whether_active(user: Any) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    User.objects.only("first_name").get(pk=user.pk).save()


def create_inactive(user: Any) -> None:
    User.objects.create_user("eve", is_active=False)


def load_a_fixture(user: Any) -> None:
    user.is_active = False
    (loaded,) = serializers.deserialize("json", serializers.serialize("json", [user]))
    loaded.save()


def migrate(user: Any) -> None:
    historical = MigrationExecutor(connection).loader.project_state().apps
    then = historical.get_model("auth", "User").objects.get(pk=user.pk)
    then.is_active = False
    then.save()


def update_in_bulk(user: Any) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def save_another_model(user: Any) -> None:
    Group.objects.create(name="editors").delete()


@pytest.mark.parametrize(
    "act",
    [
        save,
        save_what_else_changed_of_one_who_is_inactive_in_memory,
        save_without_having_read_whether_active,
        create_inactive,
        load_a_fixture,
        migrate,
        update_in_bulk,
        save_another_model,
    ],
)
def test_what_deactivates_nobody_or_sends_no_signal_does_not_reach_the_server(
    ada: User, act: Callable[[Any], None], redis_client: redis.Redis
) -> None:
    session = logged_in(ada)
    with no_commands(redis_client):
        act(ada)
    assert is_there(session)


def test_saving_a_user_that_was_read_in_part_asks_the_database_no_more(
    ada: User, django_assert_num_queries: Any
) -> None:
    part = User.objects.only("first_name").get(pk=ada.pk)
    with django_assert_num_queries(1):
        part.save()


def test_only_user_models_have_our_receivers_so_that_others_can_be_deleted_fast() -> None:
    for model in (Group, User.groups.through):
        assert not post_delete.has_listeners(model)
        assert not post_save.has_listeners(model)
    assert post_delete.has_listeners(User)


@pytest.fixture
def nobody_answers(settings: Any) -> Callable[[], None]:
    """Make the server of the sessions one that is away."""

    def leave() -> None:
        settings.CACHES = caches(f"redis://127.0.0.1:{free_port()}/0")

    return leave


@pytest.mark.parametrize("end", [deactivate, delete])
@pytest.mark.parametrize("atomic", [False, True])
def test_a_server_that_is_away_is_logged_and_breaks_no_request(
    ada: User, end: Any, atomic: bool, nobody_answers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pk = ada.pk
    nobody_answers()
    if atomic:
        with transaction.atomic():
            end(ada)
    else:
        end(ada)
    assert not User.objects.filter(pk=pk, is_active=True).exists()
    outage, record = caplog.records
    assert "CACHES['sessions'] failed" in outage.message
    assert (record.name, record.levelno) == ("redis_sessions", logging.ERROR)
    assert f"user {pk} go on: The session server of CACHES['sessions'] failed" in record.message


def test_any_other_error_is_logged_by_django_and_breaks_no_request(
    ada: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_SESSIONS = {"ALIAS": "default"}  # no Redis
    deactivate(ada)
    assert not User.objects.get().is_active
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("django.db.backends.base", logging.ERROR)
    assert record.exc_info


def test_a_user_who_was_deactivated_in_bulk_is_refused_by_django(ada: User, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.views"
    client = Client()
    client.force_login(ada)
    assert client.get("/wsgi/whoami").content == b"ada"
    update_in_bulk(ada)
    assert client.get("/wsgi/whoami").content == b""


def test_the_call_of_the_documentation_ends_the_sessions_of_those_updated_in_bulk(
    ada: User,
) -> None:
    (text,) = modules(DOCS / "privacy.rst").values()
    documented: dict[str, Any] = {}
    exec(text, documented)  # noqa: S102 - it is our own documentation
    session, other = logged_in(ada), logged_in(User.objects.create_user("eve"))
    documented["sign_out_for_good"](User.objects.filter(username="ada", is_active=True))
    assert [is_there(session), is_there(other)] == [False, True]
    assert not User.objects.get(username="ada").is_active


@pytest.fixture
def kin(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A proxy and a child of the user model, with the receivers that a start with them connects."""
    with isolate_apps("django.contrib.auth", "redis_sessions") as isolated:

        class Proxy(User):
            class Meta:
                app_label = "auth"
                proxy = True

        class Child(User):
            class Meta:
                app_label = "auth"

    monkeypatch.setattr(receivers, "apps", isolated)
    receivers.connect()
    with connection.schema_editor() as editor:
        editor.create_model(Child)
    yield {"proxy": Proxy, "child": Child}
    with connection.schema_editor() as editor:
        editor.delete_model(Child)
    for model in (Proxy, Child):
        post_save.disconnect(receivers.end_with_activity, sender=model)
        post_delete.disconnect(receivers.end_with_user, sender=model)


@pytest.mark.parametrize("name", ["proxy", "child"])
@pytest.mark.parametrize("end", [deactivate, delete])
def test_sessions_end_with_a_user_that_is_a_proxy_or_a_child_of_the_user_model(
    kin: dict[str, Any], name: str, end: Callable[[Any], None]
) -> None:
    user = kin[name].objects.create(username="ada")
    session = logged_in(User.objects.get())
    end(user)
    assert not is_there(session)


class ActiveByStatus:
    """What the receiver asks of a user of a site's own, who is no row of auth_user."""

    def __init__(self, status: str) -> None:
        self.status = status
        self._meta = AbstractBaseUser._meta  # has no field is_active

    @property
    def is_active(self) -> bool:
        return self.status == "present"


@pytest.mark.parametrize(("status", "is_deactivated"), [("present", False), ("left", True)])
def test_a_user_model_may_compute_whether_a_user_is_active(
    status: str, is_deactivated: bool
) -> None:
    user = ActiveByStatus(status)
    assert receivers._is_deactivated(user, frozenset({"status"})) is is_deactivated
    assert receivers._is_deactivated(user, None) is is_deactivated


# The last login


def request_of(session: SessionStore) -> HttpRequest:
    request = HttpRequest()
    request.session = session
    return request


def log_in(user: Any) -> None:
    login(request_of(SessionStore()), user, BACKEND)


def alog_in(user: Any) -> None:
    asyncio.run(alogin(request_of(SessionStore()), user, BACKEND))


class Door(AsyncWebsocketConsumer):
    """Logs ada in at any frame."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await live_login(self.scope, await User.objects.aget(username="ada"), BACKEND)
        await self.send("done")


def log_in_over_a_socket(user: Any) -> None:
    from redis_sessions.testing import connected

    async def visit() -> None:
        async with connected(LiveSessionMiddlewareStack(Door.as_asgi()), "/") as socket:
            await socket.send_to("in")
            assert await socket.receive_from(timeout=10) == "done"

    asyncio.run(visit())


logins = pytest.mark.parametrize("log_in", [log_in, alog_in, log_in_over_a_socket])


@logins
def test_a_login_is_written_to_the_database_as_django_does(
    ada: User, log_in: Callable[[Any], None], redis_client: redis.Redis
) -> None:
    before = datetime.now(UTC)
    log_in(ada)
    ada.refresh_from_db()
    assert before <= ada.last_login <= datetime.now(UTC)
    assert redis_client.keys("*login*") == []
    assert users.last_login(ada) is None


@logins
def test_a_login_is_noted_in_redis_and_not_in_the_database(
    ada: User, log_in: Callable[[Any], None], settings: Any, redis_client: redis.Redis
) -> None:
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": "redis"}
    before = datetime.now(UTC)
    log_in(ada)
    noted = users.last_login(ada)
    assert noted is not None
    assert before <= noted <= datetime.now(UTC)
    assert asyncio.run(users.alast_login(ada)) == noted
    assert redis_client.ttl(f"session:login:{{{ada.pk}}}") == -1
    ada.refresh_from_db()
    assert ada.last_login is None
    log_in(ada)
    assert users.last_login(ada) > noted


@logins
def test_a_login_leaves_no_trace_of_its_own_where_that_is_off(
    ada: User, log_in: Callable[[Any], None], settings: Any, redis_client: redis.Redis
) -> None:
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": "off"}
    log_in(ada)
    ada.refresh_from_db()
    assert ada.last_login is None
    assert redis_client.keys("*login*") == []


@pytest.fixture
def restarted(settings: Any) -> Iterator[Callable[..., None]]:
    """Start the apps anew, in an order; nothing is connected to logins before."""

    def start(*names: str) -> None:
        _no_logins()
        others = [name for name in settings.INSTALLED_APPS if name not in names]
        settings.INSTALLED_APPS = [*names, *others]

    yield start
    _no_logins()
    receivers.connect()
    user_logged_in.connect(receivers.update_last_login, dispatch_uid="update_last_login")


def _no_logins() -> None:
    user_logged_in.disconnect(dispatch_uid="update_last_login")
    user_logged_in.disconnect(dispatch_uid="redis_sessions.note_last_login")


ORDERS = [("redis_sessions", "django.contrib.auth"), ("django.contrib.auth", "redis_sessions")]
orders = pytest.mark.parametrize("order", ORDERS, ids=["before auth", "after auth"])


@orders
@pytest.mark.parametrize("where", ["database", "redis", "off"])
def test_the_order_of_the_apps_does_not_matter(
    ada: User, order: tuple[str, str], where: str, restarted: Any, settings: Any
) -> None:
    restarted(*order)
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": where}
    log_in(ada)
    ada.refresh_from_db()
    assert (ada.last_login is not None) == (where == "database")
    assert (users.last_login(ada) is not None) == (where == "redis")


@orders
def test_a_login_writes_to_the_database_as_often_as_without_this_app(
    ada: User, order: tuple[str, str], restarted: Any, django_assert_num_queries: Any
) -> None:
    restarted(*order)
    with django_assert_num_queries(1):
        log_in(ada)


def test_a_site_that_has_disconnected_djangos_receiver_is_left_alone(
    ada: User, restarted: Any, settings: Any
) -> None:
    restarted("django.contrib.auth", "redis_sessions")
    _no_logins()
    receivers.connect()
    log_in(ada)
    ada.refresh_from_db()
    assert ada.last_login is None
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": "redis"}
    log_in(ada)
    assert users.last_login(ada) is not None


@pytest.fixture
def plain_user(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A user of a model that has no field last_login."""
    with isolate_apps("django.contrib.auth"):

        class Plain(AbstractBaseUser):
            name = models.TextField(primary_key=True)
            last_login = None
            USERNAME_FIELD = "name"

            class Meta:
                app_label = "auth"

    monkeypatch.setattr(receivers, "get_user_model", lambda: Plain)
    return Plain(name="a:{b}")


@pytest.mark.parametrize("where", ["database", "redis", "off"])
def test_a_user_model_may_lack_the_field_of_the_last_login(
    plain_user: Any, where: str, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": where}
    with django_assert_num_queries(0):
        user_logged_in.send(type(plain_user), request=None, user=plain_user)
    assert (users.last_login(plain_user) is not None) == (where == "redis")


@pytest.mark.parametrize("stored", [b"", b"yesterday", b"-1", b"1" * 18, "a hash"])
def test_a_last_login_that_cannot_be_read_is_not_known(
    ada: User, stored: Any, redis_client: redis.Redis
) -> None:
    key = f"session:login:{{{ada.pk}}}"
    if stored == "a hash":
        redis_client.hset(key, "a", "b")
    else:
        redis_client.set(key, stored)
    assert users.last_login(ada) is None
    assert asyncio.run(users.alast_login(ada)) is None


def test_a_last_login_that_nobody_can_be_asked_for_is_an_error(
    ada: User, nobody_answers: Any
) -> None:
    nobody_answers()
    with pytest.raises(SessionStoreUnavailable):
        users.last_login(ada)


@pytest.mark.parametrize("end_with_user", [True, False])
@pytest.mark.parametrize("where", ["database", "redis", "off"])
def test_the_last_login_is_forgotten_when_the_user_is_deleted(
    ada: User, end_with_user: bool, where: str, settings: Any, redis_client: redis.Redis
) -> None:
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": "redis", "END_WITH_USER": end_with_user}
    log_in(ada)
    assert redis_client.keys("session:login:*")
    deactivate(ada)
    assert redis_client.keys("session:login:*")
    settings.REDIS_SESSIONS = {"RECORD_LAST_LOGIN": where, "END_WITH_USER": end_with_user}
    ada.delete()
    assert redis_client.keys("session:login:*") == []


def test_a_site_without_users_starts(settings: Any) -> None:
    settings.INSTALLED_APPS = ["redis_sessions"]
    assert list(receivers._user_models()) == []
    receivers.connect()
