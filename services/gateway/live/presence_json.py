"""Presence in two formats: the awareness states of Yjs editors, and `presence.update` of /ws.

In awareness, `user` is {id, name, color}, and `cursor` is the selection. Editors put Yjs relative
positions there as `anchor` and `head`, and resolve them against the text. `presence.update` has
numbers, `from` and `to`, as the sending editor counts. The gateway has no text with which to
convert one into the other, so each is passed on unconverted:

* Numbers from /ws go into `cursor` as `from` and `to`, beside an `anchor` and a `head` that name an
  item of client 0, which does not exist. y-prosemirror, y-codemirror and y-quill resolve those to
  nothing and show the user without a cursor; without them y-prosemirror throws.
* Relative positions from /ws (`relative`) go into `anchor` and `head`, and every editor shows them.
* Relative positions from /collab reach /ws as `relative`, with `cursor` null; a client that has
  the document resolves them.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeIs, cast

from pydantic import TypeAdapter, ValidationError

from services.gateway.live.messages import (
    POSITION_MAX,
    Color,
    CursorNumbers,
    CursorPositions,
    PresenceUpdate,
)

NOWHERE: Mapping[str, Any] = {"item": {"client": 0, "clock": 0}}
"""A relative position that no document can resolve."""
_color = TypeAdapter[str](Color)


def awareness_state(message: PresenceUpdate) -> dict[str, Any]:
    """Return the awareness state of a client of /ws; `Presence` adds the user."""
    user = {"color": message.color} if message.color else {}
    return {"user": user, "cursor": _awareness_cursor(message.cursor, message.relative)}


def _awareness_cursor(
    cursor: CursorNumbers | None, relative: CursorPositions | None
) -> dict[str, Any] | None:
    if cursor is None and relative is None:
        return None
    numbers: dict[str, Any] = {"from": cursor.start, "to": cursor.end} if cursor else {}
    if relative is None:
        return numbers | {"anchor": NOWHERE, "head": NOWHERE}
    return numbers | {"anchor": relative.anchor, "head": relative.head}


def user_presence(client: int, state: bytes) -> dict[str, Any]:
    """Return an awareness state in the form of `presence.update` and `presence.list`.

    `clientId` distinguishes two windows of one user.
    """
    fields: dict[str, Any] = json.loads(state)
    user = _object(fields.get("user"))
    cursor = _object(fields.get("cursor"))
    return {
        "userId": user.get("id"),
        "name": user.get("name"),
        "color": _valid_color(user.get("color")),
        "cursor": _cursor_numbers(cursor),
        "relative": _cursor_positions(cursor),
        "clientId": client,
    }


def _cursor_numbers(cursor: Mapping[str, Any]) -> dict[str, int] | None:
    for first, second in (("from", "to"), ("anchor", "head")):
        start, end = cursor.get(first), cursor.get(second)
        if _is_position(start) and _is_position(end):
            return {"from": start, "to": end}
    return None


def _cursor_positions(cursor: Mapping[str, Any]) -> dict[str, Any] | None:
    anchor, head = _object(cursor.get("anchor")), _object(cursor.get("head"))
    if not anchor or not head or anchor == NOWHERE:
        return None
    return {"anchor": anchor, "head": head}


def _is_position(value: object) -> TypeIs[int]:
    return type(value) is int and 0 <= value <= POSITION_MAX


def _valid_color(value: Any) -> str | None:
    try:
        return _color.validate_python(value)
    except ValidationError:
        return None


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
