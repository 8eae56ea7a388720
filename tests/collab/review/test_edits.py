"""Edits by ids do what they say in pycrdt too, and merge with whatever is written meanwhile."""

from random import Random
from typing import Any

import pytest
from pycrdt import Doc, Text, XmlElement, XmlFragment, XmlText

from services.collab import updates
from services.collab.review.characters import CharacterDocument
from services.collab.review.edits import is_touched, replacement
from tests.property.histories import Edit as Typed
from tests.property.histories import change


def characters(state: bytes) -> CharacterDocument:
    document = CharacterDocument()
    document.apply(state)
    return document


def ids(document: CharacterDocument, root: str = "content") -> list[tuple[int, int]]:
    return [
        (run.client, run.clock + at) for run in document.runs(root) for at in range(len(run.text))
    ]


@pytest.mark.parametrize("seed", range(60))
def test_a_replacement_is_the_same_for_pycrdt(seed: int) -> None:
    pick = Random(seed)
    doc: Doc[Any] = Doc(client_id=3)
    text = doc.get("content", type=Text)
    for at in range(30):
        change(text, Typed(0, pick.choice(["insert", "insert", "delete"]), at * 7, "word "))
    if len(str(text)) < 10:
        return
    state = doc.get_update()
    document = characters(state)
    known = ids(document)
    start = pick.randrange(len(known) - 4)
    end = pick.randint(start, len(known) - 1)
    gone = [(client, clock, 1) for client, clock in known[start:end]]
    after = known[end - 1] if gone else known[start]
    edit = replacement(document, gone, "née", after=after, client=2**40 + seed)
    whole = str(text)
    at = start if gone else start + 1
    result: Doc[Any] = Doc()
    result.apply_update(updates.merge([state, edit.update]))
    assert (
        str(result.get("content", type=Text)) == whole[:at] + "née" + whole[end if gone else at :]
    )

    # The same bytes a second time change nothing, and others' edits elsewhere merge with it.
    result.apply_update(edit.update)
    assert str(result.get("content", type=Text)).count("née") == 1
    before = doc.get_state()
    text.insert(0, "> ")
    theirs = doc.get_update(before)
    result.apply_update(theirs)
    assert str(result.get("content", type=Text)).startswith(("> ", "née"))


def test_new_text_has_the_marks_of_what_it_replaces() -> None:
    doc: Doc[Any] = Doc(client_id=3)
    words = XmlText("an angry man")
    root: XmlFragment = doc.get("default", type=XmlFragment)
    root.children.append(XmlElement("paragraph", {}, [words]))
    words.format(3, 8, {"bold": True})
    document = characters(doc.get_update())
    known = ids(document, "default")
    gone = [(client, clock, 1) for client, clock in known[3:8]]
    edit = replacement(document, gone, "furious", after=known[7], client=9)
    doc.apply_update(edit.update)
    assert list(words.diff()) == [("an ", None), ("furious", {"bold": True}), (" man", None)]


def test_what_touches_an_edit_is_seen() -> None:
    doc: Doc[Any] = Doc(client_id=3)
    text = doc.get("content", type=Text)
    text += "She was very angry."
    document = characters(doc.get_update())
    known = ids(document)
    gone = [(client, clock, 1) for client, clock in known[8:18]]
    edit = replacement(document, gone, "furious", after=known[17], client=9)

    def row(change: Any) -> bytes:
        copy: Doc[Any] = Doc(client_id=77)
        copy.apply_update(doc.get_update())
        before = copy.get_state()
        change(copy.get("content", type=Text))
        return copy.get_update(before)

    def inside(text: Text) -> None:
        text.insert(12, " so")

    def deleted(text: Text) -> None:
        del text[6:10]

    def elsewhere(text: Text) -> None:
        text.insert(0, "Then ")
        text += " Quite."

    assert is_touched(edit, row(inside))
    assert is_touched(edit, row(deleted))
    assert not is_touched(edit, row(elsewhere))
