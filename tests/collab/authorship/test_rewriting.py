"""Text that is deleted and written again in one edit stays that of its first author."""

from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Doc, Text, XmlElement, XmlFragment, XmlText

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.formats import jobs
from services.collab.review.authorship import work
from services.collab.review.authorship.rewriting import EDIT_COST_MAX, Matcher, Stretch
from services.collab.review.authorship.spans import Bounds, Span
from services.collab.review.authorship.work import Sources
from services.collab.review.characters import Run
from tests.collab.authorship.test_spans import ALL, PEOPLE, Log, shown, told

ADA, BEN = 0, 1
WORDS = "You will rejoice to hear that no disaster has accompanied us."


class Writing:
    """A tree of paragraphs that people change in turns, with the rows that they make."""

    def __init__(self) -> None:
        self.doc: Doc[Any] = Doc(client_id=9)
        self.root = self.doc.get("default", type=XmlFragment)
        self.log = Log([], [])

    def by(self, author: int, act: Callable[["Writing"], object]) -> None:
        """Make one edit."""
        before = self.doc.get_state()
        # Each edit is of a client of its own, as with two browsers.
        other: Doc[Any] = Doc(client_id=len(self.log.rows) + 20)
        other.apply_update(self.doc.get_update())
        self.root = other.get("default", type=XmlFragment)
        with other.transaction():
            act(self)
        row = other.get_update(before)
        self.doc.apply_update(row)
        self.log.rows.append(row)
        self.log.authors.append(author)

    def text(self, at: int) -> XmlText:
        paragraph: Any = self.root.children[at]
        return paragraph.children[0]

    def add(self, at: int, text: str) -> None:
        self.root.children.insert(at, XmlElement("paragraph", {}, [XmlText(text)]))

    def split(self, at: int, place: int) -> None:
        """As y-prosemirror does for Enter: the rest is written anew behind."""
        rest = str(self.text(at))[place:]
        del self.text(at)[place:]
        self.add(at + 1, rest)

    def join(self, at: int) -> None:
        """As for Backspace at the beginning of the paragraph behind."""
        text = str(self.text(at + 1))
        del self.root.children[at + 1]
        self.text(at).insert(len(str(self.text(at)).encode()), text)


def said(text: str, spans: list[Span]) -> list[tuple[str, int]]:
    packed = text.encode("utf-16-le")
    found: list[tuple[str, int]] = []
    for span in spans:
        assert span.by is not None
        words = packed[span.start * 2 : span.end * 2].decode("utf-16-le")
        found.append((words.replace("\n", "|"), PEOPLE.index(span.by[0])))
    return found


def spans_of(writing: Writing) -> list[tuple[str, int]]:
    """What a writing's spans say; the same from what is kept of any part of its log."""
    log, state = writing.log, writing.doc.get_update()
    text = shown(state)
    exact = said(text, told(state, [log.part()]))
    for cut in range(1, len(log.rows)):
        first = log.kept(0, cut)
        second = log.kept(cut, None, first)
        assert said(text, told(state, [first, log.part(cut)])) == exact
        assert said(text, told(state, [first, second])) == exact
    return exact


def test_a_paragraph_that_somebody_splits_or_joins_stays_its_authors() -> None:
    """Also when it is split where it was split before."""
    writing = Writing()
    writing.by(ADA, lambda one: one.add(0, WORDS))
    writing.by(BEN, lambda one: one.split(0, 16))
    assert spans_of(writing) == [(f"{WORDS[:16]}|{WORDS[16:]}", ADA)]
    writing.by(BEN, lambda one: one.split(1, 13))
    writing.by(BEN, lambda one: one.text(2).insert(0, "so far"))
    assert spans_of(writing) == [
        (f"{WORDS[:16]}|{WORDS[16:29]}", ADA),
        ("so far", BEN),
        (WORDS[29:], ADA),
    ]
    writing.by(BEN, lambda one: one.join(1))
    assert [who for _, who in spans_of(writing)] == [ADA, BEN, ADA]


def test_a_paragraph_of_two_keeps_both() -> None:
    writing = Writing()
    writing.by(ADA, lambda one: one.add(0, WORDS))
    writing.by(BEN, lambda one: one.text(0).insert(28, " no, really"))
    writing.by(2, lambda one: one.split(0, 9))
    goal = [(f"You will |{WORDS[9:28]}", ADA), (" no, really", BEN), (WORDS[28:], ADA)]
    assert spans_of(writing) == goal


def test_a_paragraph_that_is_moved_or_written_again_with_a_change() -> None:
    """Only what was changed is of the person who did that."""
    writing = Writing()
    writing.by(ADA, lambda one: one.add(0, WORDS))
    writing.by(ADA, lambda one: one.add(1, "St. Petersburgh, December eleventh"))

    def move(one: Writing) -> None:
        del one.root.children[0]
        one.add(1, WORDS.replace("disaster", "calamity"))

    writing.by(BEN, move)
    start, _, end = WORDS.partition("disaster")
    spans = spans_of(writing)
    assert spans[0] == (f"St. Petersburgh, December eleventh|{start}", ADA)
    assert spans[-1][1] == ADA
    assert end.endswith(spans[-1][0])
    assert "".join(words for words, _ in spans).replace("calamity", "disaster").endswith(WORDS)
    assert sum(len(words) for words, who in spans if who == BEN) <= len("calamity")


def test_short_text_is_of_the_person_who_writes_it() -> None:
    """Words like these are written again by chance."""
    writing = Writing()
    writing.by(ADA, lambda one: one.add(0, "Yes, sir."))

    def again(one: Writing) -> None:
        del one.root.children[0]
        one.add(0, "Yes, sir. I have seen nothing like it.")

    writing.by(BEN, again)
    assert spans_of(writing) == [("Yes, sir. I have seen nothing like it.", BEN)]


@pytest.mark.parametrize("editor", [BuiltIn.TIPTAP, BuiltIn.SLATE, BuiltIn.LEXICAL])
def test_a_scene_that_is_converted_keeps_its_authors(editor: BuiltIn) -> None:
    """From plain text to an editor of trees and to another one, by somebody who wrote nothing."""
    doc: Doc[Any] = Doc(client_id=1)
    text = doc.get("content", type=Text)
    rows: list[bytes] = []
    doc.observe(lambda event: rows.append(event.update))
    text += f"{WORDS}\nNo.\nI arrived here yesterday, and my first task is to assure you.\nNo."
    text.insert(str(text).index("yesterday"), "only ")
    log, state = Log(rows, [ADA, BEN]), doc.get_update()
    for goal in (editor, BuiltIn.BLOCKNOTE, BuiltIn.PLAIN):
        for row in jobs.convert(state, SceneEditor(name=goal), None):
            log.rows.append(row)
            log.authors.append(2)
            state = updates.merge([state, row])
        named = SceneEditor(name=goal)
        read = formats.render(state, ContentFormat.TEXT, named).decode()
        spans, _ = work.tell(state, Sources([log.part()]), Bounds(99), named, ALL)

        seen = [(words, who) for words, who in said(read, spans) if words.strip("|\n")]
        assert ("only ", BEN) in seen
        assert {who for _, who in seen} == {ADA, BEN}


def stretch(text: str, client: int = 1) -> Stretch:
    return Stretch([Run(client, 0, text)])


def test_what_is_compared_is_bounded() -> None:
    """Thousands of paragraphs that have nothing in common are looked at for a moment only."""
    gone = [stretch(f"{number} {'ab' * number}", 1) for number in range(2_000)]
    came = [stretch(f"{number}-{'ba' * number}", 2) for number in range(2_000)]
    matcher = Matcher(gone, came)
    assert matcher.copies() == []
    assert matcher.cost == EDIT_COST_MAX


def test_a_merged_branch_keeps_authors_of_what_was_split_there() -> None:
    """Ben splits Ada's paragraph in a branch, and it is merged."""
    writing = Writing()
    writing.by(ADA, lambda one: one.add(0, WORDS))
    scene = writing.doc.get_update()
    writing.by(BEN, lambda one: one.split(0, 16))
    writing.by(BEN, lambda one: one.text(1).insert(0, "glad "))
    state, rows = writing.doc.get_update(), writing.log.rows
    merged = Log([scene, *[b"\0\0"] * 8, updates.merge(rows[1:])], [ADA, *[2] * 9])
    branch = writing.log.part(1)

    for sources in (
        Sources([merged.part()], [[branch]]),
        Sources([branch], [[merged.part(0, 1)]], 1),
    ):
        spans, _ = work.tell(state, sources, Bounds(10), None, ALL)
        assert said(shown(state), spans) == [
            (WORDS[:16], ADA),
            ("glad ", BEN),
            (WORDS[16:], ADA),
        ]
