"""What is written for an editor the real one keeps: it changes no byte and shows every word."""

import re
from collections.abc import Iterator
from random import Random

import pytest

from libs.contracts.editors import BuiltIn
from services.collab.formats.editors.blocknote import BlockNoteEditor
from services.collab.formats.editors.prosemirror import ProseMirrorEditor, definition_of
from services.collab.formats.layout import Layout
from services.collab.formats.tree import CannotHold, Element, text_of
from tests.clients.editors.documents import state_of
from tests.clients.editors.opening import RealEditors
from tests.clients.editors.trees import Native, Words, edited, ours

DOCUMENTS = 15
DOCUMENTS_LONG = 10_000
KINDS = ("new", "native", "edited")
TIPTAP_3_ALONE = frozenset(
    {
        "audio", "blockMath", "details", "detailsContent", "detailsSummary", "emoji", "inlineMath",
        "twitch",
    }
)  # fmt: skip

TIPTAP = ProseMirrorEditor("tiptap", definition_of(BuiltIn.TIPTAP))
PROSEMIRROR = ProseMirrorEditor("prosemirror", definition_of(BuiltIn.PROSEMIRROR))
BLOCKNOTE = BlockNoteEditor("blocknote", definition_of(BuiltIn.BLOCKNOTE))

EDITORS = [
    ("tiptap2", TIPTAP, frozenset(TIPTAP.schema.types) - TIPTAP_3_ALONE),
    ("tiptap3", TIPTAP, frozenset(TIPTAP.schema.types)),
    ("prosemirror", PROSEMIRROR, frozenset(PROSEMIRROR.schema.types)),
    ("blocknote", BLOCKNOTE, frozenset(BLOCKNOTE.schema.types)),
]
each_editor = pytest.mark.parametrize(("module", "editor", "known"), EDITORS)


@pytest.fixture(scope="module")
def editors() -> Iterator[RealEditors]:
    """One process for all of this page."""
    with RealEditors() as running:
        yield running


def wanted_of(editor: ProseMirrorEditor, known: frozenset[str], seed: int) -> Element:
    """Return a view that somebody wants: new blocks, a native document, or an edited one."""
    pick = Random(seed)
    words = Words(pick)
    kind = KINDS[seed % len(KINDS)]
    if kind == "new":
        return Element(None, {}, ours(pick, words))
    native = Native(editor.schema, known, words).document()
    editor.check(native.children)
    view = editor.view(native)
    return view if kind == "native" else edited(pick, words, view)


def hold(
    editors: RealEditors,
    module: str,
    editor: ProseMirrorEditor,
    known: frozenset[str],
    seeds: range,
) -> None:
    """Build, open and compare a document for each of *seeds*."""
    refused = 0
    for seed in seeds:
        wanted = wanted_of(editor, known, seed)
        try:
            children = editor.build(wanted)
        except CannotHold:
            # BlockNote's cells hold text only.
            refused += KINDS[seed % len(KINDS)] != "new"
            continue
        editor.check(children)
        opened = editors.open(module, state_of(Layout.XML, editor.root, children))
        shown, written = _letters(opened.text), _letters(text_of(wanted))
        assert (opened.changed, shown) == (False, written), f"seed {seed}: {wanted} as {children}"
    assert refused <= len(seeds) // 10


def _letters(text: str) -> str:
    return re.sub(r"\s", "", text)


@each_editor
def test_the_real_editor_keeps_what_was_written(
    editors: RealEditors, module: str, editor: ProseMirrorEditor, known: frozenset[str]
) -> None:
    """New blocks in any nesting, documents of its own, and those with one thing changed."""
    hold(editors, module, editor, known, range(DOCUMENTS))


@pytest.mark.long
@pytest.mark.timeout(3600)
@each_editor
def test_the_real_editor_keeps_all_that_was_written(
    editors: RealEditors, module: str, editor: ProseMirrorEditor, known: frozenset[str]
) -> None:
    """The same, for many."""
    hold(editors, module, editor, known, range(DOCUMENTS, DOCUMENTS + DOCUMENTS_LONG))
