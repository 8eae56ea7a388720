"""What cannot be parsed is refused with its place, before anything is built or applied."""

import json
import time
from typing import Any

import pytest
from pycrdt import Doc, XmlElement, XmlFragment

from libs.contracts.collab.content import ContentFormat
from services.collab import formats
from services.collab.formats import BadContent, CannotHold, parsing
from tests.collab.formats.contents import NOBODY, Json, encoded, got, put

BLOCKS, PROSEMIRROR = ContentFormat.BLOCKS, ContentFormat.PROSEMIRROR
LOOK_S_MAX = 1.0
"""Seconds for 40 kB; it takes some 0.001, and took 5 when each quotation mark was tried."""
RECURSIVE_DEPTH_MAX = 200
"""Levels of blocks that can be compared with what is sent; Python's stack ends below 300."""


@pytest.mark.parametrize(
    ("form", "body", "place"),
    [
        (BLOCKS, b'[{"type":\n "p",]', "line 2, column 6"),
        (BLOCKS, '[{"type":"😀😀" x]'.encode(), "line 1, column 17"),
        (BLOCKS, '["NaN 😀", 1,\n "é🧪", NaN]'.encode(), "line 2, column 9"),
        (BLOCKS, b'["Infinity", -Infinity]', "line 1, column 14"),
        (BLOCKS, b'[1e999,\n {"n":' + b"9" * 4301 + b"}]", "line 2, column 7"),
        (BLOCKS, b"[12, -" + b"9" * 400 + b"]", "line 1, column 6"),
        (BLOCKS, '["😀",'.encode() + b"[" * 101, "line 1, column 106"),
        (BLOCKS, b"", "line 1, column 1"),
        (BLOCKS, b'"text"', "content"),
        (BLOCKS, b"[[]]", "content[0]"),
        (
            BLOCKS,
            b'[{"type":"p","children":[{"text":"a"},{"text":3}]}]',
            "content[0].children[1].text",
        ),
        (BLOCKS, b'[{"type":"p","children":{}}]', "content[0].children"),
        (BLOCKS, b'[{"type":3,"children":[]}]', "content[0].type"),
        (BLOCKS, b'[{"a":1}]', "content[0]"),
        (BLOCKS, b'[{"type":"p","text":"\\ud83d"}]', "content[0].text"),
        (BLOCKS, b'[{"type":"p","x":{"y":["\\udc00"]},"children":[]}]', "content[0].x.y[0]"),
        (PROSEMIRROR, b"{}", "content.type"),
        (PROSEMIRROR, b'{"type":"doc","content":3}', "content.content"),
        (PROSEMIRROR, b'{"type":"doc","content":[{"type":""}]}', "content.content[0].type"),
        (
            PROSEMIRROR,
            b'{"type":"doc","content":[{"type":"p","content":[{"type":"text"}]}]}',
            "content.content[0].content[0].text",
        ),
        (
            PROSEMIRROR,
            b'{"type":"doc","content":[{"type":"text","text":"x","marks":[{"type":1}]}]}',
            "content.content[0].marks[0].type",
        ),
        (ContentFormat.TEXT, b"ab\xff", "byte 2"),
        (ContentFormat.MARKDOWN, b"\xff", "byte 0"),
    ],
)
def test_bad_content_names_its_place(form: ContentFormat, body: bytes, place: str):
    """A line and column where it is not JSON, else the path of the member."""
    with pytest.raises(BadContent) as caught:
        formats.rewrite(NOBODY, form, body)

    assert caught.value.place == place


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"[" * 100_000, "DEPTH_MAX"),
        (b'[{"type":"p","children":' * 60 + b"[]" + b"}]" * 60, "DEPTH_MAX"),
        (b"[" + b"{}," * (parsing.NODES_MAX + 1) + b"{}]", "NODES_MAX"),
        (b" " * (parsing.BYTES_MAX + 1), "BYTES_MAX"),
    ],
)
def test_limits_hold_before_anything_is_parsed(body: bytes, name: str):
    """By size, depth and number of objects; a bomb costs no more than one look at it."""
    with pytest.raises(BadContent, match=name):
        formats.rewrite(NOBODY, BLOCKS, body)


def test_a_string_that_does_not_end_is_looked_at_once():
    """However many quotation marks are in it, which each might begin another string."""
    started = time.process_time()
    with pytest.raises(BadContent) as caught:
        formats.rewrite(NOBODY, BLOCKS, b'["' + b'\\"' * 20_000)

    assert caught.value.place == "line 1, column 2"
    assert time.process_time() - started < LOOK_S_MAX


def test_brackets_in_strings_are_not_depth():
    """A story about brackets is no bomb."""
    story = [{"type": "p", "children": [{"text": '\\" [{' * 500}]}]

    assert got(put(NOBODY, BLOCKS, story), BLOCKS) == story


def test_errors_cross_process_boundaries():
    """They are raised in workers."""
    import pickle

    error = pickle.loads(pickle.dumps(BadContent("reason", "content[0]")))

    assert (error.reason, error.place) == ("reason", "content[0]")


def test_shorthand_is_normalised():
    """The older `{"type", "text"}`, also with attributes and within an object of blocks."""
    given = {"blocks": [{"type": "dialogue", "character": "JOHN", "text": "Hello."}]}

    assert got(put(NOBODY, BLOCKS, given), BLOCKS) == [
        {"type": "dialogue", "character": "JOHN", "children": [{"text": "Hello."}]}
    ]


def test_unknown_blocks_are_kept_as_they_are():
    """In every layout, through formats that do not know them either."""
    given = [{"type": "x-tension", "level": [1, {"deep": None}], "children": [{"text": "rising"}]}]
    for begun in (NOBODY, put(NOBODY, PROSEMIRROR, {"type": "doc", "content": [{"type": "x"}]})):
        state = put(begun, BLOCKS, given)
        state = put(state, ContentFormat.MARKDOWN, "rising *slowly*\n")

        [block] = got(state, BLOCKS)
        assert (block["type"], block["level"]) == ("x-tension", [1, {"deep": None}])
        assert block["children"][1] == {"text": "slowly", "italic": True}


def test_plain_scenes_refuse_what_they_cannot_hold():
    """With what to do, and unchanged; paragraphs with marks they do hold."""
    state = put(NOBODY, ContentFormat.TEXT, "old")
    refused: list[tuple[Json, str]] = [
        ([{"type": "heading", "text": "x"}], "content[0].type"),
        (
            [{"type": "paragraph", "children": [{"type": "link", "children": []}]}],
            "content[0].children[0].type",
        ),
        ([{"type": "paragraph", "n": 1, "text": "x"}], "content[0]"),
    ]
    for bad, place in refused:
        with pytest.raises(CannotHold) as caught:
            formats.rewrite(state, BLOCKS, encoded(bad))
        assert caught.value.place == place
    held = [
        {"type": "paragraph", "children": [{"text": "a "}, {"text": "b", "bold": True}]},
        {"type": "paragraph", "children": [{"text": ""}]},
    ]
    after = put(state, BLOCKS, held)

    assert got(after, BLOCKS) == held
    assert got(after, ContentFormat.TEXT) == "a b\n"


def test_blocks_without_type_or_text_outside_of_blocks_have_no_place_in_xml():
    """A Y.XmlFragment names its elements; ProseMirror has no text outside of them."""
    state = put(NOBODY, PROSEMIRROR, {"type": "doc", "content": [{"type": "x"}]})
    for bad in ([{"children": [{"text": "x"}]}], [{"text": "x"}]):
        with pytest.raises(CannotHold):
            formats.rewrite(state, BLOCKS, json.dumps(bad).encode())


def test_an_empty_scene_takes_the_layout_of_its_first_content():
    """As docs/formats.md promises."""
    for form, value, layout in (
        (ContentFormat.TEXT, "x", "plain"),
        (ContentFormat.MARKDOWN, "# x", "plain"),
        (BLOCKS, [{"type": "p", "text": "x"}], "slate"),
        (PROSEMIRROR, {"type": "doc", "content": [{"type": "p"}]}, "xml"),
    ):
        state = put(NOBODY, form, value)

        assert formats.layout_of(state) == layout
        assert got(state, form) == (
            value if form is not BLOCKS else [{"type": "p", "children": [{"text": "x"}]}]
        )
    assert formats.is_empty(NOBODY)
    assert formats.is_empty(put(NOBODY, PROSEMIRROR, {"type": "doc", "content": [{"type": "p"}]}))
    assert not formats.is_empty(put(NOBODY, ContentFormat.TEXT, "x"))


@pytest.mark.parametrize("depth", [60, 300])
def test_a_scene_may_nest_deeper_than_what_is_sent(depth: int):
    """An editor may have nested it so; what is sent replaces that, or is refused."""
    doc: Doc[Any] = Doc()
    inner: XmlFragment | XmlElement = doc.get("default", type=XmlFragment)
    for _ in range(depth):
        inner = inner.children.insert(0, XmlElement("blockquote"))
    sent = [{"type": "paragraph", "children": [{"text": "a"}]}]
    if depth > RECURSIVE_DEPTH_MAX:
        with pytest.raises(CannotHold):
            formats.rewrite(doc.get_update(), BLOCKS, encoded(sent))
        assert got(put(doc.get_update(), ContentFormat.TEXT, "a"), ContentFormat.TEXT) == "a"
    else:
        assert got(put(doc.get_update(), BLOCKS, sent), BLOCKS) == sent
