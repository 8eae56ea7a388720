"""Blocks and Yjs: what goes in comes out, in every layout that can hold blocks."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, updates
from services.collab.formats.inline import unified
from tests.collab.formats.contents import (
    BLOCKS,
    NOBODY,
    Json,
    begun,
    encoded,
    examples,
    got,
    normal,
    put,
    said,
)

EXAMPLES = 15
_EMPTY: Json = {"type": "scene-heading", "children": []}
_PARAGRAPH: Json = {"type": "paragraph", "children": []}
_ITEM: Json = {"type": "list-item", "children": [_PARAGRAPH]}
_LIST: Json = {"type": "list", "children": [_ITEM]}
TWO_LISTS: Json = [_EMPTY, _LIST, _LIST]
"""Markdown has no way to say that one list ends where another begins."""
LAYOUTS = pytest.mark.parametrize("layout", ["slate", "xml"])


@given(BLOCKS)
@examples(EXAMPLES)
def test_normal_form_changes_no_text_and_is_its_own(blocks: Json):
    """So that "equal but for the normal form" below cannot hide a loss."""
    found = normal(blocks)

    assert said(found) == said(blocks)
    assert normal(found) == found


@LAYOUTS
@given(blocks=BLOCKS)
@examples(EXAMPLES)
def test_blocks_come_out_as_they_went_in(layout: str, blocks: Json):
    """Marks, attributes of any JSON, nesting, inline elements, any character, empty blocks."""
    state = put(begun(layout), ContentFormat.BLOCKS, blocks)

    assert got(state, ContentFormat.BLOCKS) == normal(blocks)
    assert formats.rewrite(state, ContentFormat.BLOCKS, encoded(blocks)) is None


@LAYOUTS
@given(blocks=st.lists(BLOCKS, min_size=2, max_size=4))
@examples(EXAMPLES)
def test_any_blocks_become_any_others(layout: str, blocks: list[Json]):
    """However the smallest edit was found, the result is exactly what was asked for."""
    state = begun(layout)
    for wanted in blocks:
        state = put(state, ContentFormat.BLOCKS, wanted)

        assert got(state, ContentFormat.BLOCKS) == normal(wanted)
    # And the state survives its own encoding, as when it is loaded from the log.
    again, _ = updates.integrate([state])
    assert got(again, ContentFormat.BLOCKS) == normal(blocks[-1])


@LAYOUTS
@example(blocks=TWO_LISTS)
@given(blocks=BLOCKS)
@examples(EXAMPLES)
def test_what_was_read_in_any_format_can_be_written_back_without_an_edit(layout: str, blocks: Json):
    """A client that reads, changes nothing and writes does not touch the scene."""
    state = put(begun(layout), ContentFormat.BLOCKS, blocks)
    for form in ContentFormat:
        assert formats.rewrite(state, form, formats.render(state, form)) is None, form


@given(BLOCKS)
@examples(EXAMPLES)
def test_prosemirror_json_carries_blocks_from_one_layout_to_the_other(blocks: Json):
    """The table of names is a bijection, and what is not in it keeps its name."""
    there = put(begun("xml"), ContentFormat.BLOCKS, blocks)
    document = got(there, ContentFormat.PROSEMIRROR)
    fresh = put(NOBODY, ContentFormat.PROSEMIRROR, document)

    assert got(fresh, ContentFormat.PROSEMIRROR) == document


@given(st.text(max_size=80), st.text(max_size=80))
@examples(EXAMPLES)
def test_plain_text_is_text_in_and_out(first: str, second: str):
    """Text and Markdown are the characters of a plain scene, and its blocks are its lines."""
    state = put(put(NOBODY, ContentFormat.TEXT, first), ContentFormat.MARKDOWN, second)

    second = unified(second.removeprefix("\ufeff"))
    assert got(state, ContentFormat.TEXT) == got(state, ContentFormat.MARKDOWN) == second
    blocks = got(state, ContentFormat.BLOCKS)
    assert [said([block]) for block in blocks] == (second.split("\n") if second else [])
    assert formats.rewrite(state, ContentFormat.BLOCKS, encoded(blocks)) is None


@LAYOUTS
@given(blocks=BLOCKS, wanted=st.text(max_size=60))
@examples(EXAMPLES)
def test_any_text_can_be_written_over_any_blocks(layout: str, blocks: Json, wanted: str):
    """The scene then reads exactly that text."""
    state = put(begun(layout), ContentFormat.BLOCKS, blocks)
    after = put(state, ContentFormat.TEXT, wanted)

    assert got(after, ContentFormat.TEXT) == unified(wanted.removeprefix("\ufeff"))
