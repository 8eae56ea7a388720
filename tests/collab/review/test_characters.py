"""The document that knows its characters shows what pycrdt shows, and names ids as Yjs does."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from pycrdt import Doc, Text, XmlElement, XmlFragment, XmlText

from libs.contracts.collab.yprotocol import varuint
from services.collab import updates
from services.collab.review.characters import CharacterDocument
from services.collab.review.structs import deletions, units, whole
from tests.bench.material import trace_rows
from tests.property.histories import Edit, histories, rows_of

WORDS = ("a", "Ice", "né ", "中", "😀", "the end", "\n")


def shown(document: CharacterDocument, root: str) -> str:
    return whole("".join(run.text for run in document.runs(root)))


def taken(*rows: bytes) -> CharacterDocument:
    document = CharacterDocument()
    for row in rows:
        document.apply(row)
    return document


def plain_text(state: bytes, root: str = "content") -> str:
    doc: Doc[Any] = Doc()
    doc.apply_update(state)
    return str(doc.get(root, type=Text))


@given(histories())
def test_texts_of_several_authors_read_the_same(history: list[Edit]) -> None:
    """Row by row in order, and from the state that the rows merge to."""
    rows = rows_of(history)
    if not rows:
        return
    state, _ = updates.integrate(rows)
    wanted = plain_text(state)
    assert shown(taken(*rows), "content") == wanted
    assert shown(taken(state), "content") == wanted


@given(histories(edits_max=25))
def test_ids_are_the_same_whichever_way_the_document_came(history: list[Edit]) -> None:
    rows = rows_of(history)
    if not rows:
        return
    state, _ = updates.integrate(rows)
    one, other = taken(*rows), taken(state)
    assert ids(one) == ids(other)


def ids(document: CharacterDocument) -> list[tuple[int, int, str]]:
    return [
        (run.client, run.clock + at, unit)
        for run in document.runs("content")
        for at, unit in enumerate(run.text)
    ]


def test_every_character_deleted_by_its_id_is_the_one_that_goes() -> None:
    """The ids are those of yrs: a deletion of each takes away just that character."""
    rows = trace_rows(3_000)
    state, _ = updates.integrate(rows)
    document, text = taken(*rows), plain_text(state)
    pick = Random(5)
    for client, clock, _ in pick.sample(ids(document), 60):
        place = [(c, k) for c, k, _ in ids(document)].index((client, clock))
        gone = updates.merge([state, only_deleting(client, clock)])
        assert plain_text(gone) == text[:place] + text[place + 1 :]


def only_deleting(client: int, clock: int) -> bytes:
    return b"\0\1" + varuint(client) + b"\1" + varuint(clock) + b"\1"


def test_what_waits_for_a_predecessor_is_shown_when_it_comes() -> None:
    rows = trace_rows(50)
    late = taken(*rows[1:], rows[0])
    assert shown(late, "content") == shown(taken(*rows), "content")


@pytest.mark.parametrize("seed", range(40))
def test_trees_of_several_editors_read_the_same(seed: int) -> None:
    """Elements are made, filled, split, deleted with what others write into them."""
    pick = Random(seed)
    docs: list[Doc[Any]] = [Doc(client_id=client) for client in (7, 3, 2**40 + 1)]
    rows: list[bytes] = []
    for _ in range(60):
        doc = pick.choice(docs)
        before = doc.get_state()
        pick.choice(ACTIONS)(doc, pick)
        row = doc.get_update(before)
        rows.append(row)
        if pick.random() < 0.3:
            doc.apply_update(updates.merge(rows))
    state, _ = updates.integrate(rows)
    whole_doc: Doc[Any] = Doc()
    whole_doc.apply_update(state)
    wanted = text_in(whole_doc.get("default", type=XmlFragment))
    assert shown(taken(*rows), "default") == wanted
    assert shown(taken(state), "default") == wanted
    assert shown(taken(updates.merge(rows)), "default") == wanted


def text_in(node: Any) -> str:
    if isinstance(node, XmlText):
        return "".join(
            piece if isinstance(piece, str) else text_in(piece) for piece, _ in node.diff()
        )
    return "".join(text_in(child) for child in node.children)


def add(doc: Doc[Any], pick: Random) -> None:
    root: XmlFragment = doc.get("default", type=XmlFragment)
    children: Any = root.children
    children.insert(
        pick.randint(0, len(children)),
        XmlElement("paragraph", {"id": pick.choice(WORDS)}, [XmlText(pick.choice(WORDS))]),
    )


def write(doc: Doc[Any], pick: Random) -> None:
    if text := some_text(doc, pick):
        text.insert(places(text, pick)[0], pick.choice(WORDS))


def erase(doc: Doc[Any], pick: Random) -> None:
    if text := some_text(doc, pick):
        first, last = places(text, pick)
        if first < last:
            del text[first:last]


def remove(doc: Doc[Any], pick: Random) -> None:
    root: XmlFragment = doc.get("default", type=XmlFragment)
    if len(root.children):
        del root.children[pick.randrange(len(root.children))]


def mark(doc: Doc[Any], pick: Random) -> None:
    if text := some_text(doc, pick):
        first, last = places(text, pick)
        if first < last:
            text.format(first, last, {"bold": pick.choice((True, None))})


ACTIONS: list[Callable[[Doc[Any], Random], None]] = [
    add, add, write, write, write, erase, remove, mark,
]  # fmt: skip


def some_text(doc: Doc[Any], pick: Random) -> XmlText | None:
    root: XmlFragment = doc.get("default", type=XmlFragment)
    elements: list[Any] = list(root.children)
    found: list[XmlText] = [child for element in elements for child in element.children]
    return pick.choice(found) if found else None


def places(text: XmlText, pick: Random) -> list[int]:
    ends = [0]
    for character in text_in(text):
        ends.append(ends[-1] + len(character.encode()))
    return sorted(pick.choice(ends) for _ in range(2))


def test_deletions_are_read_without_the_structs() -> None:
    doc: Doc[Any] = Doc(client_id=4)
    text = doc.get("content", type=Text)
    text += "winter"
    before = doc.get_state()
    del text[1:3]
    assert deletions(doc.get_update(before)) == {4: [(1, 3)]}


def test_units_are_those_of_utf_16() -> None:
    assert len(units("a😀中")) == 4
    assert whole(units("a😀中")) == "a😀中"
    assert whole(units("😀")[:1]) == "\ufffd"
