"""Suggestions of formatting, accepted and taken back, in the layouts of several editors."""

import json
from typing import Any

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.review.anchors.view import SceneAt, Stood, View
from services.collab.review.hunks.planning import Differs
from services.collab.review.rich import planning
from services.collab.review.rich.planning import RichApplied, RichChange
from services.collab.review.structs import units

RICH = [BuiltIn.TIPTAP, BuiltIn.PROSEMIRROR, BuiltIn.SLATE, BuiltIn.LEXICAL, BuiltIn.QUILL]
TEXT = "It was a dreary night of November.\nThe rain 🌧 pattered against the panes.\nI slept."


class Sheet:
    """A scene as a state."""

    def __init__(self, editor: BuiltIn, content: str | list[Any] = TEXT) -> None:
        self.editor = SceneEditor(name=editor)
        form = ContentFormat.TEXT if isinstance(content, str) else ContentFormat.BLOCKS
        body = content if isinstance(content, str) else json.dumps(content)
        update = formats.rewrite(updates.EMPTY, form, body.encode(), self.editor)
        assert update
        self.state, self.seq = update, 1

    def put(self, text: str) -> None:
        update = formats.rewrite(self.state, ContentFormat.TEXT, text.encode(), self.editor)
        assert update
        self.state = updates.merge([self.state, update])

    @property
    def blocks(self) -> list[Any]:
        return formats.blocks(self.state, self.editor)

    @property
    def text(self) -> str:
        return formats.render(self.state, ContentFormat.TEXT, self.editor).decode()

    def at(self) -> SceneAt:
        self.seq += 1
        return SceneAt(id(self).to_bytes(16), self.seq, self.state, self.editor)

    def on(self, words: str, kind: Any = "attributes", **more: Any) -> RichChange:
        start = View(self.state, self.editor).text.index(units(words))
        stood = View(self.state, self.editor).on_text(start, start + len(units(words)))
        assert isinstance(stood, Stood)
        return RichChange(stood.first, stood.last, words, kind, **more)

    def apply(self, change: RichChange) -> RichApplied | Differs:
        planned = planning.apply(self.at(), change)
        return self._made(planned)

    def revert(self, change: RichChange, applied: RichApplied) -> RichApplied | Differs:
        held = json.loads(json.dumps(applied.as_json()))
        return self._made(planning.revert(self.at(), change, RichApplied.from_json(held)))

    def _made(self, planned: Any) -> Any:
        self.state = updates.merge([self.state, planned.plan.edit.update])
        return planned.results[0]


def leaves(blocks: list[Any], name: str) -> str:
    """Return the words that have a mark."""
    found = ""
    for block in blocks:
        if "children" in block:
            found += leaves(block["children"], name)
        elif block.get(name):
            found += block["text"]
    return found


@pytest.mark.parametrize("editor", RICH)
@pytest.mark.parametrize("value", [("bold", True), ("link", {"href": "https://example.org/"})])
def test_marks_are_set_and_taken_back(editor: BuiltIn, value: tuple[str, Any]) -> None:
    sheet = Sheet(editor)
    before, (name, mark) = sheet.blocks, value
    change = sheet.on("dreary night", marks={name: mark})
    applied = sheet.apply(change)
    assert isinstance(applied, RichApplied), applied
    assert leaves(sheet.blocks, name) == "dreary night"
    assert sheet.text == TEXT
    assert isinstance(sheet.revert(change, applied), RichApplied)
    assert sheet.blocks == before


def test_marks_over_several_blocks_and_one_that_is_removed() -> None:
    sheet = Sheet(BuiltIn.TIPTAP)
    sheet.apply(sheet.on("night of November", marks={"bold": True}))
    change = sheet.on("November.\nThe rain", marks={"bold": None, "italic": True})
    applied = sheet.apply(change)
    assert isinstance(applied, RichApplied)
    assert leaves(sheet.blocks, "bold") == "night of "
    assert leaves(sheet.blocks, "italic") == "November.The rain"
    # What somebody set since stays.
    sheet.apply(sheet.on("rain", marks={"italic": None, "underline": True}))
    assert isinstance(sheet.revert(change, applied), RichApplied)
    assert leaves(sheet.blocks, "bold") == "night of November"
    assert leaves(sheet.blocks, "underline") == "rain"
    assert not leaves(sheet.blocks, "italic")


@pytest.mark.parametrize("editor", [BuiltIn.TIPTAP, BuiltIn.PROSEMIRROR, BuiltIn.SLATE])
def test_a_block_becomes_a_heading_and_back(editor: BuiltIn) -> None:
    sheet = Sheet(editor)
    before = sheet.blocks
    change = sheet.on("rain", block={"type": "heading", "level": 2})
    applied = sheet.apply(change)
    assert isinstance(applied, RichApplied), applied
    assert [block["type"] for block in sheet.blocks] == ["paragraph", "heading", "paragraph"]
    assert sheet.blocks[1]["level"] == 2
    assert isinstance(sheet.revert(change, applied), RichApplied)
    assert sheet.blocks == before


STORM = [{"text": "a "}, {"text": "stormy", "bold": True}, {"text": " night"}]
HEADING = {"type": "heading", "level": 2, "children": [{"text": "Letter II"}]}
EMPTY = {"type": "paragraph", "children": [{"text": ""}]}
QUOTED = {"type": "paragraph", "children": [{"text": "Well", "italic": True}]}


@pytest.mark.parametrize("editor", RICH)
@pytest.mark.parametrize(
    ("words", "how", "blocks", "reads"),
    [
        ("a dreary night", ("replace", "after"), [{"type": "paragraph", "children": STORM}],
         TEXT.replace("dreary", "stormy")),
        ("I slept.", ("replace", "after"), [HEADING], TEXT.replace("I slept.", "Letter II")),
        ("I slept.", ("insert", "after"), [EMPTY, HEADING],
         TEXT + "\nLetter II"),
        ("I slept.", ("insert", "before"), [HEADING, EMPTY],
         TEXT.replace("I slept.", "Letter II\nI slept.")),
        ("The", ("insert", "before"), [QUOTED], TEXT.replace("The", "WellThe")),
        ("rain 🌧 pattered", ("replace", "after"), [QUOTED, HEADING, QUOTED],
         TEXT.replace("rain 🌧 pattered", "Well\nLetter II\nWell")),
        ("November.\nThe rain", ("replace", "after"), [QUOTED],
         TEXT.replace("November.\nThe rain", "Well")),
    ],
)  # fmt: skip
def test_blocks_are_written_and_taken_back(
    editor: BuiltIn, words: str, how: tuple[str, Any], blocks: list[Any], reads: str
) -> None:
    sheet = Sheet(editor)
    before = sheet.blocks
    kind, side = how
    change = sheet.on(words, kind, side=side, blocks=planning.checked(blocks)[0])
    applied = sheet.apply(change)
    if isinstance(applied, Differs):
        # An editor that has no such blocks says so, and nothing is written.
        assert applied.reason
        assert editor in {BuiltIn.LEXICAL, BuiltIn.QUILL}, applied
        assert sheet.blocks == before
        return
    assert sheet.text == reads
    made = json.dumps(sheet.blocks)
    assert all(name in made for name in ("bold", "italic", "heading") if name in json.dumps(blocks))
    sheet.put(sheet.text + " And woke.")
    assert isinstance(sheet.revert(change, applied), RichApplied)
    last = before[-1]["children"][-1]
    assert sheet.blocks == [
        *before[:-1],
        {**before[-1], "children": [{**last, "text": last["text"] + " And woke."}]},
    ] or reads.endswith("Letter II")


def test_words_that_were_changed_are_not_overwritten() -> None:
    sheet = Sheet(BuiltIn.TIPTAP)
    change = sheet.on("dreary night", marks={"bold": True})
    sheet.put(TEXT.replace("dreary night", "dreary and wet night"))
    assert sheet.apply(change) == Differs("dreary and wet night")
    replaced = sheet.on("I slept.", "replace", blocks=[HEADING])
    applied = sheet.apply(replaced)
    assert isinstance(applied, RichApplied)
    sheet.put(sheet.text.replace("Letter II", "Letter IV"))
    assert isinstance(sheet.revert(replaced, applied), Differs)


def test_plain_text_has_no_place_for_headings() -> None:
    sheet = Sheet(BuiltIn.PLAIN)
    differs = sheet.apply(sheet.on("I slept.", "replace", blocks=[HEADING]))
    assert isinstance(differs, Differs)
    assert differs.reason
    assert sheet.text == TEXT


HOSTILE: list[Any] = [
    ["no block"],
    [{"type": 3, "children": []}],
    [{"type": "paragraph"}, 1],
    [{"children": "x"}],
    [{"type": "paragraph", "children": [{"text": "\ud83c"}]}],
    [[[[]]]],
]


@pytest.mark.parametrize("blocks", HOSTILE)
def test_hostile_blocks_are_refused(blocks: list[Any]) -> None:
    with pytest.raises(formats.BadContent):
        planning.checked(blocks)
