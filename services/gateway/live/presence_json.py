"""Presence between two languages: awareness states of Yjs editors, and `presence.update`.

Awareness: `user` is {id, name, color}; `cursor` is where somebody is. Editors put Yjs relative
positions there as `anchor` and `head`, and resolve them against the text. `presence.update` has
numbers, `from` and `to`, as the sending editor counts. The gateway has no text to turn one into
the other, so each is passed on as what it is:

* numbers from /ws go into `cursor` as `from` and `to`, beside an `anchor` and a `head` that name
  an item of client 0, whom nobody is. y-prosemirror, y-codemirror and y-quill resolve those to
  nothing and show the person without a cursor; without them y-prosemirror throws.
* relative positions from /ws (`relative`) go into `anchor` and `head` and are shown by everybody.
* relative positions from /collab reach /ws as `relative`, with `cursor` null; a client that has
  the document resolves them.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeIs, cast

from pydantic import TypeAdapter, ValidationError

from services.gateway.live.messages import (
    POSITION_MAX,
    Color,
    Cursor,
    PresenceUpdate,
    Relative,
)

NOWHERE: Mapping[str, Any] = {"item": {"client": 0, "clock": 0}}
"""A relative position that no document can resolve."""
_color = TypeAdapter[str](Color)


def awareness_state(said: PresenceUpdate) -> dict[str, Any]:
    """Return the awareness state of somebody on /ws; the server adds who they are."""
    user = {"color": said.color} if said.color else {}
    return {"user": user, "cursor": _cursor_out(said.cursor, said.relative)}


def _cursor_out(cursor: Cursor | None, relative: Relative | None) -> dict[str, Any] | None:
    if cursor is None and relative is None:
        return None
    numbers: dict[str, Any] = {"from": cursor.start, "to": cursor.end} if cursor else {}
    if relative is None:
        return numbers | {"anchor": NOWHERE, "head": NOWHERE}
    return numbers | {"anchor": relative.anchor, "head": relative.head}


def user_presence(client: int, state: bytes) -> dict[str, Any]:
    """Return an awareness state as `presence.update` and `presence.list` show it.

    `clientId` tells two windows of one person apart.
    """
    members: dict[str, Any] = json.loads(state)
    user = _object(members.get("user"))
    cursor = _object(members.get("cursor"))
    return {
        "userId": user.get("id"),
        "name": user.get("name"),
        "color": _color_in(user.get("color")),
        "cursor": _numbers_in(cursor),
        "relative": _relative_in(cursor),
        "clientId": client,
    }


def _numbers_in(cursor: Mapping[str, Any]) -> dict[str, int] | None:
    for first, second in (("from", "to"), ("anchor", "head")):
        start, end = cursor.get(first), cursor.get(second)
        if _is_position(start) and _is_position(end):
            return {"from": start, "to": end}
    return None


def _relative_in(cursor: Mapping[str, Any]) -> dict[str, Any] | None:
    anchor, head = _object(cursor.get("anchor")), _object(cursor.get("head"))
    if not anchor or not head or anchor == NOWHERE:
        return None
    return {"anchor": anchor, "head": head}


def _is_position(value: object) -> TypeIs[int]:
    return type(value) is int and 0 <= value <= POSITION_MAX


def _color_in(value: Any) -> str | None:
    try:
        return _color.validate_python(value)
    except ValidationError:
        return None


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
