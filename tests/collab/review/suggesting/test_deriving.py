"""A branch in step with its scene, and what it changed as suggestions, in every layout."""

import json
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from libs.contracts.collab.content import ContentFormat
from libs.contracts.collab.suggestions import SuggestionStatus
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.review.anchors.view import SceneAt, Stood, View
from services.collab.review.hunks import planning
from services.collab.review.hunks.planning import Applied, Hunk
from services.collab.review.rich import planning as rich
from services.collab.review.rich.planning import RichChange
from services.collab.review.suggesting.deriving import Derived, Told, derive
from services.collab.review.suggesting.matching import Known
from services.collab.review.suggesting.proposals import Proposal
from services.collab.review.suggesting.regions import merged, regions

LAYOUTS = [BuiltIn.PLAIN, BuiltIn.TIPTAP, BuiltIn.SLATE, BuiltIn.QUILL, BuiltIn.LEXICAL]
WORDS = ["rain", "fell", "on", "the", "panes", "and", "nobody", "slept", "that", "night", "🎭", "é"]
CASES = 40


class Sheet:
    """A scene and a branch of it, as states."""

    def __init__(self, editor: BuiltIn, text: str) -> None:
        self.editor = SceneEditor(name=editor)
        self.base = self.scene = self.branch = self.put(updates.EMPTY, text)
        self.seq = 1

    def put(self, state: bytes, text: str) -> bytes:
        update = formats.rewrite(state, ContentFormat.TEXT, text.encode(), self.editor)
        return state if update is None else updates.merge([state, update])

    def text(self, state: bytes) -> str:
        return formats.render(state, ContentFormat.TEXT, self.editor).decode()

    def derive(self, *known: Known) -> Derived:
        self.seq += 1
        at = SceneAt(id(self).to_bytes(16), self.seq, self.scene, self.editor)
        found = derive(at, self.base, self.branch, known)
        if found.update:
            self.branch = updates.merge([self.branch, found.update])
        self.base = self.scene
        return found

    def accept(self, *told: Told) -> list[Told]:
        """Accept suggestions at once; returns those that overlap others."""
        self.seq += 1
        at = SceneAt(id(self).to_bytes(16), self.seq, self.scene, self.editor)
        planned = planning.apply(at, [hunk(one.proposal) for one in told], 2**40 + self.seq)
        self.scene = updates.merge([self.scene, planned.plan.edit.update])
        return [
            one
            for one, result in zip(told, planned.results, strict=True)
            if not isinstance(result, Applied)
        ]

    def restyle(self, words: str, **change: Any) -> None:
        """Let the author format words of the branch."""
        self.branch = self._restyled(self.branch, words, change)

    def _restyled(self, state: bytes, words: str, change: dict[str, Any]) -> bytes:
        self.seq += 1
        view = View(state, self.editor)
        start = view.text.index(words)
        stood = view.on_text(start, start + len(words))
        assert isinstance(stood, Stood)
        at = SceneAt((id(self) + 1).to_bytes(16), self.seq, state, self.editor)
        wanted = RichChange(stood.first, stood.last, words, "attributes", **change)
        planned = rich.apply(at, wanted)
        assert not planned.differing, planned.differing
        return updates.merge([state, planned.plan.edit.update])

    def accept_style(self, told: Told) -> None:
        assert told.proposal.attributes
        self.scene = self._restyled(self.scene, told.proposal.base, told.proposal.attributes)

    def blocks(self, state: bytes) -> list[Any]:
        return formats.blocks(state, self.editor)


def hunk(said: Proposal) -> Hunk:
    assert said.kind != "attributes"
    return Hunk(said.stood.first, said.stood.last, said.base, said.text, said.kind, said.side)


def scribbled(pick: Random, text: str) -> str:
    """Return *text* with words and lines changed, as people do it."""
    lines = text.split("\n")
    for _ in range(pick.randint(1, 4)):
        at = pick.randrange(len(lines))
        words = lines[at].split(" ")
        where = pick.randrange(len(words))
        match pick.randrange(6):
            case 0:
                words[where] = pick.choice(WORDS)
            case 1:
                words.insert(where, pick.choice(WORDS))
            case 2:
                del words[where]
            case 3:
                words[where] += "\n" + pick.choice(WORDS)
            case 4 if at:
                words[:0] = lines.pop(at - 1).split(" ")
                at -= 1
            case _:
                words.append(pick.choice(WORDS))
        lines[at] = " ".join(words)
        lines = "\n".join(lines).split("\n")
    return "\n".join(lines)


def written(pick: Random) -> str:
    lines = [" ".join(pick.choices(WORDS, k=pick.randint(1, 8))) for _ in range(pick.randint(1, 5))]
    return "\n".join(lines)


@pytest.mark.parametrize("editor", LAYOUTS)
def test_accepting_all_suggestions_gives_the_branch(editor: BuiltIn) -> None:
    for seed in range(CASES):
        pick = Random(f"{editor} {seed}")
        sheet = Sheet(editor, written(pick))
        before = sheet.text(sheet.base)
        sheet.branch = sheet.put(sheet.branch, scribbled(pick, before))
        if seed % 2:
            sheet.scene = sheet.put(sheet.scene, scribbled(pick, before))
        sides = [regions(before, sheet.text(state)) for state in (sheet.scene, sheet.branch)]
        found = sheet.derive()
        wanted = merged(before, *sides)
        assert sheet.text(sheet.branch) == wanted, seed
        assert not sheet.derive().update, seed
        if found.unexpressed:
            continue
        # Those that are said with the same words beside them come one after another.
        while found.told:
            left = sheet.accept(*found.told)
            assert len(left) < len(found.told), seed
            found = sheet.derive()
            assert len(found.told) <= len(left), seed
        assert sheet.text(sheet.scene) == wanted, seed


@pytest.mark.parametrize("editor", LAYOUTS)
def test_a_decided_suggestion_leaves_the_branch_or_is_there_once(editor: BuiltIn) -> None:
    text = "It was a dreary night of November.\nThe rain pattered against the panes.\nI slept."
    sheet = Sheet(editor, text)
    theirs = text.replace("dreary night", "stormy evening").replace("I slept", "I did not sleep")
    sheet.branch = sheet.put(sheet.branch, theirs)
    first, second = sheet.derive().told
    ids = UUID(int=1), UUID(int=2)
    known = [
        Known(ident, SuggestionStatus.OPEN, told.proposal.region)
        for ident, told in zip(ids, (first, second), strict=True)
    ]
    assert not sheet.accept(first)
    decided = replace(known[0], status=SuggestionStatus.ACCEPTED)
    found = sheet.derive(decided, known[1])
    assert sheet.text(sheet.branch) == theirs
    assert [told.id for told in found.told] == [ids[1]]
    moved = replace(known[1], region=found.told[0].proposal.region)
    found = sheet.derive(replace(moved, status=SuggestionStatus.REJECTED))
    assert not found.told
    assert sheet.text(sheet.branch) == sheet.text(sheet.scene)


@pytest.mark.parametrize(
    "editor", [BuiltIn.TIPTAP, BuiltIn.PROSEMIRROR, BuiltIn.SLATE, BuiltIn.LEXICAL, BuiltIn.QUILL]
)
def test_formatting_of_the_branch_is_decided_as_well(editor: BuiltIn) -> None:
    text = "It was a dreary night of November.\nThe rain pattered against the panes.\nI slept."
    sheet = Sheet(editor, text)
    sheet.restyle("dreary night", marks={"bold": True})
    first = sheet.derive()
    [bold] = first.told
    assert (bold.proposal.kind, bold.proposal.base) == ("attributes", "dreary night")
    assert bold.proposal.attributes == {"marks": {"bold": True}, "block": {}}
    assert (first.update, first.unexpressed) == (None, 0)

    sheet.scene = sheet.put(sheet.scene, f"A letter. {text}")
    sheet.branch = sheet.put(sheet.branch, text.replace("I slept", "I did not sleep"))
    sheet.restyle("rain", marks={"italic": True})
    known = [known_of(1, bold)]
    words, same, italic = sheet.derive(*known).told
    assert same.id == UUID(int=1)
    assert (words.id, italic.id) == (None, None)

    sheet.accept_style(same)
    known = [
        known_of(1, same, SuggestionStatus.ACCEPTED),
        known_of(2, italic, SuggestionStatus.REJECTED),
        known_of(3, words),
    ]
    last = sheet.derive(*known)
    assert [told.id for told in last.told] == [UUID(int=3)]
    assert last.unexpressed == 0
    assert sheet.text(sheet.branch) == f"A letter. {text.replace('I slept', 'I did not sleep')}"
    assert sheet.blocks(sheet.branch)[:2] == sheet.blocks(sheet.scene)[:2]
    assert not sheet.derive(known_of(3, last.told[0])).update


@pytest.mark.parametrize("editor", [BuiltIn.TIPTAP, BuiltIn.SLATE, BuiltIn.QUILL])
def test_words_that_are_accepted_keep_what_their_author_made_of_them(editor: BuiltIn) -> None:
    """They are accepted plain; their formatting is told next."""
    text = "It was a dreary night.\nI slept."
    sheet = Sheet(editor, text)
    theirs = "It was a dark and stormy night.\nLetter II\nI slept."
    sheet.branch = sheet.put(sheet.branch, theirs)
    sheet.restyle("stormy", marks={"bold": True})
    sheet.restyle("Letter II", block={"type": "heading", "level": 2})
    before = sheet.blocks(sheet.branch)
    told = sheet.derive().told
    assert not sheet.accept(*told)
    sheet.scene = sheet.put(sheet.scene, f"{theirs} Then I woke.")
    known = [known_of(at, one, SuggestionStatus.ACCEPTED) for at, one in enumerate(told)]
    bold, heading = sheet.derive(*known).told
    assert (bold.proposal.base, heading.proposal.base) == ("stormy", "Letter II")
    before[-1]["children"][-1]["text"] += " Then I woke."
    assert sheet.blocks(sheet.branch) == before


@pytest.mark.parametrize("editor", [BuiltIn.TIPTAP, BuiltIn.SLATE])
def test_a_heading_is_one_suggestion_and_a_list_stays_in_the_branch(editor: BuiltIn) -> None:
    sheet = Sheet(editor, "It was night.\nThe rain fell.\nI slept.")
    sheet.restyle("rain", block={"type": "heading", "level": 2})
    [told] = sheet.derive().told
    assert told.proposal.base == "The rain fell."
    assert told.proposal.attributes == {"marks": {}, "block": {"type": "heading", "level": 2}}
    rejected = sheet.derive(known_of(1, told, SuggestionStatus.REJECTED))
    assert not rejected.told
    assert sheet.blocks(sheet.branch) == sheet.blocks(sheet.scene)

    item = {
        "type": "list-item",
        "children": [{"type": "paragraph", "children": [{"text": "I slept."}]}],
    }
    listed = [*sheet.blocks(sheet.branch)[:2], {"type": "list", "children": [item]}]
    body = json.dumps(listed).encode()
    update = formats.rewrite(sheet.branch, ContentFormat.BLOCKS, body, sheet.editor)
    assert update
    sheet.branch = updates.merge([sheet.branch, update])
    found = sheet.derive()
    assert (found.told, found.unexpressed) == ([], 1)
    assert sheet.blocks(sheet.branch) == listed


def known_of(number: int, told: Told, status: SuggestionStatus = SuggestionStatus.OPEN) -> Known:
    said = told.proposal
    return Known(UUID(int=number), status, said.region, told.outdated, said.attributes)


def test_it_stays_the_same_suggestion_while_its_author_types_on() -> None:
    sheet = Sheet(BuiltIn.TIPTAP, "It was a dreary night.\nThe rain fell.")
    known: list[Known] = []
    last = "dreary"
    for word in ("st", "storm", "stormy", "stormy and cold"):
        text = sheet.text(sheet.branch).replace(last, word)
        sheet.branch, last = sheet.put(sheet.branch, text), word
        sheet.scene = sheet.put(sheet.scene, f"{sheet.text(sheet.scene)} It fell on.")
        [told] = sheet.derive(*known).told
        assert told.id == (UUID(int=1) if known else None)
        assert not told.outdated
        assert told.proposal.text.startswith(word)
        known = [Known(UUID(int=1), SuggestionStatus.OPEN, told.proposal.region)]


def test_words_that_the_scene_changed_since_leave_it_outdated() -> None:
    sheet = Sheet(BuiltIn.PLAIN, "It was a dreary night.")
    sheet.branch = sheet.put(sheet.branch, "It was a stormy night.")
    [told] = sheet.derive().told
    sheet.scene = sheet.put(sheet.scene, "It was a quiet night.")
    for begins in ("It was", "And it was"):
        known = Known(UUID(int=1), SuggestionStatus.OPEN, told.proposal.region, told.outdated)
        [told] = sheet.derive(known).told
        assert told.outdated
        assert sheet.text(sheet.branch) == f"{begins} a stormy night."
        sheet.scene = sheet.put(sheet.scene, "And it was a quiet night.")
    sheet.branch = sheet.put(sheet.branch, "And it was a stormy evening.")
    known = Known(UUID(int=1), SuggestionStatus.OPEN, told.proposal.region, told.outdated)
    [told] = sheet.derive(known).told
    assert not told.outdated


def test_marks_that_only_the_branch_knows_stay_in_it() -> None:
    """Nobody named the editor: written in the scene, ProseMirror would delete marks and words."""
    doc: Doc[Any] = Doc()
    root = doc.get("prosemirror", type=XmlFragment)
    root.children.append(XmlElement("paragraph", contents=[XmlText("The rain fell.")]))
    base = doc.get_update()
    words = root.children[0].children[0]
    assert isinstance(words, XmlText)
    words.format(4, 8, {"strong": {}})
    found = derive(SceneAt(bytes(16), 1, base, None), base, doc.get_update(), [])
    assert (found.told, found.unexpressed) == ([], 1)
