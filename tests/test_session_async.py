"""The async half: no blocking I/O in an event loop, and the same object used from both halves."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.management.commands import clearsessions
from django.core.exceptions import SynchronousOnlyOperation
from django.core.management import call_command

from redis_sessions import tokens
from redis_sessions.session import SessionStore
from tests.observers import again, no_commands, nothing_stored


async def stored_session(**values: Any) -> SessionStore:
    session = SessionStore()
    await session.aupdate(values)
    await session.asave()
    return again(session)


@pytest.mark.parametrize(
    "blocking",
    [
        lambda session: session["name"],
        lambda session: session.get("name"),
        lambda session: "name" in session,
        lambda session: session.update({"name": "Eve"}),
        lambda session: session.load(),
        lambda session: session.create(),
        lambda session: session.save(must_create=True),
        lambda session: session.cycle_key(),
        lambda session: session.flush(),
        lambda session: session.delete(),
        lambda session: session.delete(str(tokens.make_key())),
        lambda session: session.exists(session.session_key),
    ],
)
async def test_blocking_io_in_an_event_loop_is_refused(
    blocking: Callable[[SessionStore], Any], redis_client
) -> None:
    session = await stored_session(name="Ada")
    with no_commands(redis_client), pytest.raises(SynchronousOnlyOperation, match="'a' in front"):
        blocking(session)


async def test_saving_changes_in_an_event_loop_is_refused(redis_client) -> None:
    session = await stored_session(name="Ada")
    await session.aset("name", "Eve")
    with nothing_stored(redis_client), pytest.raises(SynchronousOnlyOperation):
        session.save()
    await session.asave()
    assert await again(session).aget("name") == "Eve"


async def test_data_that_is_loaded_is_read_and_changed_in_an_event_loop(redis_client) -> None:
    session = await stored_session(name="Ada", items=[1])
    assert await session.aget("name") == "Ada"
    with no_commands(redis_client):
        assert session["items"] == [1]
        session["name"] = "Eve"
        session["items"].append(2)
        del session["name"]
        session.set_expiry(60)
        assert session.get_expiry_age() == 60
        assert session.modified
        assert not session.is_empty()
        assert not session.is_obsolete()
    await session.asave()
    assert dict(await again(session).aitems()) == {"items": [1, 2], "_session_expiry": 60}


async def test_a_new_session_needs_no_loading_in_an_event_loop(redis_client) -> None:
    with no_commands(redis_client):
        session = SessionStore()
        session["name"] = "Ada"
        assert dict(session.items()) == {"name": "Ada"}
        session.clear()
        assert session.is_empty()


async def test_a_malformed_key_needs_no_loading_in_an_event_loop(redis_client) -> None:
    with no_commands(redis_client):
        assert dict(SessionStore("no key of ours").items()) == {}


async def test_tasks_that_save_one_object_at_once_lose_nothing() -> None:
    session = await stored_session(n=0)
    assert await session.aget("n") == 0

    async def change(number: int) -> None:
        await session.aset(f"n{number}", number)
        await session.asave()

    await asyncio.gather(*(change(number) for number in range(50)))
    expected = {"n": 0} | {f"n{number}": number for number in range(50)}
    assert dict(await again(session).aitems()) == expected


async def test_a_rotation_and_a_save_of_one_object_at_once_both_succeed() -> None:
    for _ in range(10):
        session = await stored_session(name="Ada")
        await session.aset("name", "Eve")
        await asyncio.gather(session.acycle_key(), session.asave())
        assert await again(session).aget("name") == "Eve"


async def test_what_changes_while_a_save_is_under_way_is_saved_by_the_next() -> None:
    session = await stored_session(items=[1], gone=1)
    assert await session.aget("items") == [1]
    session["a"] = 1
    save = asyncio.create_task(session.asave())
    await asyncio.sleep(0)
    session["a"] = 2
    session["items"].append(2)
    del session["gone"]
    await save
    await session.asave()
    assert dict(await again(session).aitems()) == {"items": [1, 2], "a": 2}


async def test_objects_of_many_tasks_lose_nothing() -> None:
    session = await stored_session(n=0)

    async def change(number: int) -> None:
        mine = again(session)
        await mine.aset(f"n{number}", number)
        await mine.asave()

    await asyncio.gather(*(change(number) for number in range(50)))
    assert len(await again(session).akeys()) == 51


def test_one_object_serves_both_halves() -> None:
    session = SessionStore()
    session["a"] = 1
    asyncio.run(session.asave())
    session["b"] = 2
    session.save()
    asyncio.run(session.aset("c", 3))
    asyncio.run(session.acycle_key())
    session.save()
    assert dict(again(session).items()) == {"a": 1, "b": 2, "c": 3}


def test_expired_sessions_are_the_servers_matter(do, stored, redis_client) -> None:
    stored(name="Ada")
    with nothing_stored(redis_client):
        assert do(SessionStore.clear_expired) is None


def test_the_command_that_clears_expired_sessions_prints_nothing(stored, capsys) -> None:
    session = stored(name="Ada")
    call_command(clearsessions.Command())
    assert capsys.readouterr() == ("", "")
    assert again(session).exists(session.session_key)
