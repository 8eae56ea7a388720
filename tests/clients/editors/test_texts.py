"""Editors whose document is a text: what is built for them, they keep to the last byte."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import pytest

from services.collab.formats.editors import Editor
from services.collab.formats.editors.lexical import Lexical
from services.collab.formats.editors.plain import Plain
from services.collab.formats.editors.plate import Plate
from services.collab.formats.editors.quill import Quill
from services.collab.formats.editors.slate import Slate
from services.collab.formats.slate import blocks
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, joined, key_of
from tests.clients.editors.documents import Author, normal, root_of, state_of, words
from tests.clients.editors.opening import RealEditors

QUICK, LONG = 30, 10_000


@dataclass(frozen=True, slots=True)
class Case:
    """An editor, and what is particular about it."""

    editor: Editor
    module: str
    """Runs the real one."""
    normal: Callable[[list[Node]], list[Node]] = lambda nodes: nodes
    """Returns what may be either way in one of the ways."""
    pictures: bool = True
    """Whether pictures stand in lines."""


def broken(nodes: list[Node]) -> list[Node]:
    """Return *nodes* with line breaks as characters."""
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, Leaf):
            found.append(node)
        elif node.type == "hard-break":
            found.append(Leaf("\n"))
        else:
            found.append(Element(node.type, node.attrs, broken(node.children)))
    return joined(found)


CASES = {
    "slate": Case(Slate(), "slate", broken, pictures=False),
    "plate": Case(Plate(), "plate", broken, pictures=False),
    "quill": Case(Quill(), "quill"),
    "lexical": Case(Lexical(), "lexical"),
    "plain": Case(Plain(), "codemirror"),
}
EDITORS = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def editors() -> Iterator[RealEditors]:
    """One process for all of this page."""
    with RealEditors() as running:
        yield running


def native(case: Case, state: bytes) -> Element:
    """Return what *state* holds, as an editor's lens is given it."""
    return root_of(state, case.editor.root)


def built(case: Case, wanted: Element, onto: bytes | None = None) -> bytes | None:
    """Return the state that shows *wanted*; None when the editor cannot hold it."""
    try:
        children = case.editor.build(wanted)
    except CannotHold as refusal:
        assert refusal.place.startswith("content")
        return None
    case.editor.check(children)
    return state_of(case.editor.layout, case.editor.root, children, onto)


def opens(editors: RealEditors, case: Case, state: bytes, wanted: Element) -> None:
    """Make sure that the real editor shows every word of *wanted* and changes nothing."""
    opened = editors.open(case.module, state)
    assert not opened.changed, opened.json
    # Every text ends with a word that is numbered; a picture may show as words without one.
    numbered = (Counter(re.findall(r"\d+w", text)) for text in (said(wanted), opened.text))
    assert next(numbered) == next(numbered), opened.json


def shown(children: list[Node]) -> str:
    """Return *children* as somebody can read them who has to find out what is wrong."""
    return json.dumps(blocks(Element(None, {}, children)), ensure_ascii=False, sort_keys=True)


def said(wanted: Element) -> str:
    """Return all words of *wanted*."""
    return " ".join(words(wanted.children))


def attempt(editors: RealEditors, name: str, seed: int) -> int:
    """Try one document, then one edit of it; returns how many the editor could hold."""
    case, author = CASES[name], Author(Random(seed), pictures=CASES[name].pictures)
    wanted = author.document(wild=seed % 3 == 0)
    if name == "plain":
        wanted = Element(None, {}, [author.block("paragraph") for _ in range(3)])
        wanted.children = [_only_text(child) for child in wanted.children]
    state = built(case, wanted)
    if state is None:
        return 0
    seen = case.editor.view(native(case, state))
    if seed % 3:
        # Second law, for what makes sense.
        one, other = (normal(case.normal(found.children)) for found in (seen, wanted))
        assert shown(one) == shown(other)
    assert words(seen.children) == words(wanted.children)
    # First law.
    assert key(case.editor.build(seen)) == key(seen.origin.children if seen.origin else [])
    opens(editors, case, state, wanted)
    edited = author.edited(seen)
    after = built(case, edited, state)
    if after is None:
        return 1
    assert words(case.editor.view(native(case, after)).children) == words(edited.children)
    opens(editors, case, after, edited)
    return 2


def key(nodes: list[Node]) -> str:
    """Return a text to compare."""
    return key_of(Element(None, {}, nodes))


def _only_text(block: Node) -> Element:
    assert isinstance(block, Element)
    kept = [node for node in block.children if isinstance(node, Leaf)]
    return Element(block.type, block.attrs, joined(kept))


@EDITORS
def test_real_editors_keep_what_is_built(editors: RealEditors, name: str) -> None:
    """Random documents, and random edits of what they became."""
    held = sum(attempt(editors, name, seed) for seed in range(QUICK))
    assert held > QUICK * 0.7


@pytest.mark.long
@EDITORS
def test_real_editors_keep_what_is_built_long(editors: RealEditors, name: str) -> None:
    """The same with many more."""
    held = sum(attempt(editors, name, seed) for seed in range(QUICK, QUICK + LONG))
    assert held > LONG * 0.7
