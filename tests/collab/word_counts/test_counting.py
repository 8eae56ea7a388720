"""What is a word, and that all text of a scene counts, whatever wrote it."""

import json
from typing import Any

import pytest
import zstandard
from pycrdt import Doc, Text

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.word_counts.counting import count, count_blocks, words_of

NOBODY = b"\x00\x00"
"""A state in which nobody wrote."""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        (" \n\t ", 0),
        ("— … “” *** 😀 👍🏽 →", 0),
        ("It was a dark and stormy night.", 7),
        ("don't aujourd'hui l\u2019amour", 3),
        ("well-known — e-mail", 4),
        ("3.14 1,000.50 U.S.A. snake_case", 4),
        ("Привет, мир! नमस्ते दुनिया", 4),
        ("e\u0301te\u0301 s\u0327i", 2),
        ("한국어 문장입니다", 2),
        ("吾輩は猫である。", 7),
        ("カタカナ語", 2),
        ("one\u00a0two\u2003three\u200bfour", 4),
    ],
)
def test_words_are_those_of_unicode(text: str, words: int):
    """UAX 29: an apostrophe or a dot within joins, a hyphen parts, an ideograph stands alone."""
    assert words_of(text) == words


SCREENPLAY: list[dict[str, Any]] = [
    {"type": "scene-heading", "children": [{"text": "INT. CABIN - NIGHT"}]},
    {"type": "character", "children": [{"text": "WALTON"}]},
    {"type": "parenthetical", "children": [{"text": "(quietly)"}]},
    {"type": "dialogue", "children": [{"text": "We are "}, {"text": "beset", "bold": True}]},
    {"type": "transition", "children": [{"text": "CUT TO:"}]},
]


def test_all_of_a_screenplay_counts():
    """Headings, names and directions are words of the page as well as what is said."""
    update = formats.rewrite(NOBODY, ContentFormat.BLOCKS, json.dumps(SCREENPLAY).encode())
    assert update
    assert count([update]) == [10]


CONTENTS = {
    ContentFormat.TEXT: "Walton sails north.\nThe ice closes in.",
    ContentFormat.MARKDOWN: "# Walton *sails* north.\n\n- The **ice** closes in.",
    ContentFormat.BLOCKS: json.dumps(
        [
            {"type": "heading", "children": [{"text": "Walton sa"}, {"text": "ils north."}]},
            {
                "type": "list",
                "children": [
                    {"type": "list-item", "children": [{"text": "The ice closes in."}]},
                ],
            },
        ]
    ),
    ContentFormat.PROSEMIRROR: json.dumps(
        {
            "type": "doc",
            "content": [
                {"type": "paragraph", "content": [{"type": "text", "text": "Walton sails north."}]},
                {"type": "paragraph", "content": [{"type": "text", "text": "The ice closes in."}]},
            ],
        }
    ),
}


@pytest.mark.parametrize("form", CONTENTS)
@pytest.mark.parametrize("name", [None, *BuiltIn])
def test_every_format_and_every_editor_count_alike(form: ContentFormat, name: BuiltIn | None):
    """Marks do not part a word, blocks do, and a list's bullets are no words."""
    editor = SceneEditor(name=name) if name else None
    wanted = CONTENTS[form].encode()
    if name is BuiltIn.PLAIN and form in (ContentFormat.BLOCKS, ContentFormat.MARKDOWN):
        pytest.skip("a plain text has no headings and lists")
    if name is BuiltIn.BLOCKNOTE and form is ContentFormat.PROSEMIRROR:
        pytest.skip("what BlockNote writes natively is not Tiptap's JSON")

    update = formats.rewrite(NOBODY, form, wanted, editor)

    assert update
    assert count([update]) == [7]


def test_every_root_counts():
    """A title beside the text, and what an import left under another name."""
    doc: Doc[Any] = Doc()
    for name, text in (("content", "one two"), ("title", "three"), ("notes", "four five six")):
        doc.get(name, type=Text).insert(0, text)

    assert count([doc.get_update()]) == [6]


def test_deleted_text_does_not_count():
    first = formats.rewrite(NOBODY, ContentFormat.TEXT, b"one two three")
    assert first
    second = formats.rewrite(first, ContentFormat.TEXT, b"one")
    assert second
    assert count([updates.merge([first, second])]) == [1]


def test_an_unreadable_state_does_not_spoil_the_others():
    good = formats.rewrite(NOBODY, ContentFormat.TEXT, b"one two")
    assert good
    assert count([b"\xff\xff\xff", good]) == [None, 2]


def test_imported_blocks_count():
    """As what a migration makes of them will; damaged ones are not taken for empty."""
    plain = json.dumps(SCREENPLAY).encode()
    packed = zstandard.compress(plain)

    assert count_blocks(packed, len(plain)) == 10
    assert count_blocks(packed[:-4], len(plain)) is None
    assert count_blocks(zstandard.compress(b"{}"), 2) is None
