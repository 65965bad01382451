"""What visitors do to their session, and what they see of it. The same code for both sides."""

from collections.abc import Awaitable, Callable
from typing import Any

from django import forms
from django.contrib.auth import aauthenticate
from django.contrib.sessions.backends.base import SessionBase

WRONG_LOGIN = "No user has this name and password."


class NameForm(forms.Form):
    name = forms.CharField(max_length=40, required=False)


class ItemForm(forms.Form):
    item = forms.CharField(max_length=40)


async def set_name(session: SessionBase, name: str) -> None:
    if name:
        await session.aset("name", name)
    else:
        await session.apop("name", None)


async def add_item(session: SessionBase, item: str) -> None:
    """Add one of ``item``. The basket is changed in place: the session finds that by itself."""
    basket = await session.asetdefault("basket", [])
    for line in basket:
        if line["item"] == item:
            line["count"] += 1
            return
    basket.append({"item": item, "count": 1})


async def remove_item(session: SessionBase, item: str) -> None:
    basket = await session.aget("basket", [])
    for line in basket:
        if line["item"] == item:
            line["count"] -= 1
    basket[:] = [line for line in basket if line["count"] > 0]


Action = tuple[type[forms.Form], Callable[..., Awaitable[None]]]
ACTIONS: dict[str, Action] = {
    "name": (NameForm, set_name),
    "add": (ItemForm, add_item),
    "remove": (ItemForm, remove_item),
}


async def perform(action: str, session: SessionBase, values: Any) -> str | None:
    """Do ``action`` with what a form or a frame holds; return what is wrong with it, or None."""
    form_class, change = ACTIONS[action]
    form = form_class(values)
    if not form.is_valid():
        return " ".join(f"{field.title()}: {' '.join(text)}" for field, text in form.errors.items())
    await change(session, **form.cleaned_data)
    return None


async def authenticated(values: Any) -> Any:
    """Return the user whose name and password a form or a frame holds, or None."""
    given = {name: str(values.get(name, "")) for name in ("username", "password")}
    return await aauthenticate(**given)


async def shown(session: SessionBase, user: Any) -> dict[str, Any]:
    """Return what both sides show."""
    return {
        "id": session.id,
        "name": await session.aget("name", ""),
        "basket": await session.aget("basket", []),
        "user": user.get_username(),
    }
