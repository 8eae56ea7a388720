"""Contents of every kind, drawn by Hypothesis and by hand, and how to put and get them."""

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, updates
from services.collab.formats import slate

NOBODY = b"\x00\x00"
"""A state in which nobody wrote."""

type Json = Any


def examples(count: int) -> settings:
    """The same *count* examples in every run: drawing nested blocks is slow, not the code."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


LETTERS = st.one_of(
    st.sampled_from("ab \n'*_#`<&\\[1.-éßשלוםعربי\u200f\u0301😀🏳️‍🌈\ufffc\U0010fffd"),
    st.characters(exclude_categories=("Cs",)),
)
TEXTS = st.text(LETTERS, min_size=1, max_size=12)
NAMES = st.one_of(
    st.sampled_from(["id", "level", "url", "é", "data-x", "שם", "😀"]),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=4),
).filter(lambda name: name not in ("text", "type", "children", "ordered", "value"))
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(-1e100, 1e100),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=4,
)
MARKS = st.dictionaries(
    st.one_of(st.sampled_from(["bold", "italic", "strikethrough"]), NAMES),
    st.one_of(st.just(value=True), VALUES.filter(lambda value: value not in (None, {}, False))),
    max_size=2,
)
ATTRIBUTES = st.dictionaries(NAMES, VALUES, max_size=2)
BLOCK_TYPES = st.one_of(
    st.sampled_from(["scene-heading", "action", "character", "dialogue", "paragraph", "heading"]),
    st.sampled_from(["x-unknown", "p", "列"]),
)


@st.composite
def leaves(draw: st.DrawFn) -> dict[str, Json]:
    """A leaf, perhaps an empty one."""
    return draw(MARKS) | {"text": draw(st.one_of(st.just(""), TEXTS, TEXTS))}


@st.composite
def inlines(draw: st.DrawFn) -> dict[str, Json]:
    """A mention, or an element that nobody knows, in a line."""
    kind = draw(st.sampled_from(["mention", "x-inline"]))
    inner = [] if kind == "mention" else draw(st.lists(leaves(), max_size=2))
    return draw(ATTRIBUTES) | {"type": kind, "children": inner}


@st.composite
def lines(draw: st.DrawFn) -> dict[str, Json]:
    """A block with a line of text in it."""
    children = draw(st.lists(st.one_of(leaves(), leaves(), inlines()), max_size=4))
    if any(child.get("type") == "x-inline" for child in children):
        # Only the text beside it tells that an unknown element stands in a line.
        children.append({"text": "beside"})
    return draw(ATTRIBUTES) | {"type": draw(BLOCK_TYPES), "children": children}


@st.composite
def nests(draw: st.DrawFn, inner: st.SearchStrategy[Json]) -> dict[str, Json]:
    """A block of blocks, as every editor takes them: an item begins with a paragraph."""
    children = draw(st.lists(inner, min_size=1, max_size=3))
    kind = draw(st.sampled_from(["list", "quote", "x-box"]))
    if kind != "list":
        return draw(ATTRIBUTES) | {"type": kind, "children": children}
    items = [
        draw(ATTRIBUTES) | {"type": "list-item", "children": [PARAGRAPH, child]}
        for child in children
    ]
    ordered = draw(st.sampled_from([{}, {"ordered": True}, {"ordered": False}]))
    return ordered | draw(ATTRIBUTES) | {"type": kind, "children": items}


PARAGRAPH: Json = {"type": "paragraph", "children": [{"text": "item"}]}
BLOCKS = st.lists(st.recursive(lines(), nests, max_leaves=4), max_size=5)


def encoded(value: Json) -> bytes:
    """JSON as it travels; text as UTF-8."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def normal(value: Json) -> Json:
    """Blocks in normal form: equal leaves joined, empty ones only where Slate wants them."""
    return slate.blocks(slate.parse(encoded(value)))


def put(state: bytes, form: ContentFormat, value: Json) -> bytes:
    """The state after a PUT."""
    update = formats.rewrite(state, form, encoded(value))
    return state if update is None else updates.merge([state, update])


def got(state: bytes, form: ContentFormat) -> Json:
    """What a GET answers: JSON or text."""
    body = formats.render(state, form)
    as_json = form in (ContentFormat.BLOCKS, ContentFormat.PROSEMIRROR)
    return json.loads(body) if as_json else body.decode()


def said(value: Json) -> str:
    """All text in blocks, whatever they are."""
    if isinstance(value, list):
        return "".join(said(one) for one in value)  # pyright: ignore[reportUnknownVariableType]
    return value["text"] if "children" not in value else said(value["children"])


TIPTAP = {"type": "doc", "content": [{"type": "paragraph"}]}
"""What Tiptap leaves in a scene that was opened with it and not written in."""


def begun(layout: str) -> bytes:
    """A state that is laid out as *layout* is, with something to be replaced in it."""
    match layout:
        case "slate":
            return put(NOBODY, ContentFormat.BLOCKS, [{"type": "paragraph", "text": "old"}])
        case "xml":
            return put(NOBODY, ContentFormat.PROSEMIRROR, TIPTAP)
        case _:
            return put(NOBODY, ContentFormat.TEXT, "old")
