"""What may follow a schema: ways to break a subscriber are caught, harmless changes are not."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.events.catalogue.compatibility import breaking
from services.events.catalogue.schemas import document
from services.events.catalogue.types import event_types

type Json = dict[str, Any]

OLD: Json = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "status": {"type": "string", "enum": ["DRAFT", "FINAL"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "words": {"type": "integer", "minimum": 0, "maximum": 100},
        "kind": {"const": "scene"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}},
        "place": {
            "type": "object",
            "properties": {"index": {"type": "integer"}},
            "required": ["index"],
        },
    },
    "required": ["id", "status"],
}
TYPES = event_types()


def changed(path: str, value: Any) -> Json:
    """OLD with what is at *path* set, or taken away by None."""
    new = deepcopy(OLD)
    *way, last = path.split("/")
    at: Any = new
    for step in way:
        at = at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return new


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/words", None),
        ("properties/place/properties/index", None),
        ("required", ["id", "status", "words"]),
        ("properties/place/required", ["index", "rank"]),
        ("required", ["id"]),
        ("properties/status/enum", ["DRAFT"]),
        ("properties/status/enum", None),
        ("properties/words/enum", [1, 2]),
        ("properties/words/type", "number"),
        ("properties/words/type", None),
        ("properties/words", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("properties/note", {"type": "string"}),
        ("properties/note/anyOf", [{"type": "string"}, {"type": "integer"}]),
        ("properties/note/anyOf", [{"type": "string", "minLength": 1}, {"type": "null"}]),
        ("properties/id/format", None),
        ("properties/id/format", "uri"),
        ("properties/id/pattern", "^0"),
        ("properties/kind/const", "chapter"),
        ("properties/kind/const", None),
        ("properties/words/minimum", 1),
        ("properties/words/maximum", 99),
        ("properties/words/exclusiveMaximum", 50),
        ("properties/tags/maxItems", 3),
        ("properties/tags/items/type", "integer"),
        ("properties/tags/items/maxLength", 19),
        ("properties/tags/items", None),
        ("additionalProperties", False),
        ("type", "array"),
    ],
)
def test_what_breaks_a_subscriber_is_caught(path: str, value: Any):
    assert len(breaking(OLD, changed(path, value))) >= 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/new", {"type": "string"}),
        ("properties/place/properties/rank", {"type": "string"}),
        ("properties/status/enum", ["DRAFT", "REVISED", "FINAL"]),
        ("properties/words/maximum", 1000),
        ("properties/words/minimum", None),
        ("properties/tags/items/maxLength", None),
        ("properties/words/description", "How many."),
        ("title", "Another"),
        ("required", ["status", "id"]),
    ],
)
def test_what_harms_nobody_is_let_through(path: str, value: Any):
    assert breaking(OLD, changed(path, value)) == []


def test_it_says_where_and_what():
    assert breaking(OLD, changed("properties/place/properties/index", None)) == [
        "place: index is gone"
    ]


@pytest.mark.parametrize("about", TYPES, ids=[each.name for each in TYPES])
def test_every_schema_may_follow_itself(about: Any):
    assert breaking(document(about), document(about)) == []


@given(st.sampled_from(TYPES), st.data())
def test_no_member_can_go_unnoticed(about: Any, data: st.DataObject):
    """At whatever depth of a real schema it is."""
    new = deepcopy(document(about))
    objects = [each for each in _objects(new) if each["properties"]]
    chosen = data.draw(st.sampled_from(objects))
    del chosen["properties"][data.draw(st.sampled_from(sorted(chosen["properties"])))]

    assert breaking(document(about), new) != []


def _objects(node: Any) -> list[Json]:
    match node:
        case dict():
            own = [node] if isinstance(node.get("properties"), dict) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            return own + [found for each in node.values() for found in _objects(each)]  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [found for each in node for found in _objects(each)]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return []
