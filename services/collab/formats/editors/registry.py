"""Which lens a root of a document is seen through."""

from functools import cache, lru_cache

from libs.contracts.editors import BuiltIn, EditorDefinition, SceneEditor
from services.collab.formats.editors import Editor, detect, detect_texts
from services.collab.formats.editors.blocknote import BlockNoteEditor
from services.collab.formats.editors.lexical import Lexical
from services.collab.formats.editors.plain import Plain
from services.collab.formats.editors.plate import Plate
from services.collab.formats.editors.prosemirror import ProseMirrorEditor, definition_of
from services.collab.formats.editors.quill import Quill
from services.collab.formats.editors.slate import Slate
from services.collab.formats.editors.slate_rules import SlateRules
from services.collab.formats.layout import Layout, Written
from services.collab.formats.tree import Element

DEFINITIONS_MAX = 100
"""Definitions of teams that are kept ready in one process."""


@cache
def built_in(name: BuiltIn) -> Editor:
    """Return the lens of an editor that is brought along."""
    match name:
        case BuiltIn.TIPTAP | BuiltIn.PROSEMIRROR:
            return ProseMirrorEditor(name, definition_of(name))
        case BuiltIn.BLOCKNOTE:
            return BlockNoteEditor(name, definition_of(name))
        case BuiltIn.SLATE:
            return Slate()
        case BuiltIn.PLATE:
            return Plate()
        case BuiltIn.LEXICAL:
            return Lexical()
        case BuiltIn.QUILL:
            return Quill()
        case BuiltIn.PLAIN:
            return Plain()


def named(editor: SceneEditor) -> Editor:
    """Return the lens of the editor that a scene names."""
    if editor.definition is None:
        return built_in(BuiltIn(editor.name))
    return _defined(editor.name, editor.definition.model_dump_json())


@lru_cache(DEFINITIONS_MAX)
def _defined(name: str, definition: str) -> Editor:
    found = EditorDefinition.model_validate_json(definition)
    match found.kind:
        case "prosemirror":
            return ProseMirrorEditor(name, found, strict=True)
        case "slate":
            return SlateRules(name, found)
        case "text":
            return Plain(found.root)


def of(root: Written, native: Element, editor: SceneEditor | None) -> Editor:
    """Return the lens through which *root* is seen: that of the scene's editor, or what wrote it.

    Args:
        root: A root of a document.
        native: What it holds, without runs of text.
        editor: The editor that the scene names; it counts where it lays out as the root is.
    """
    known = named(editor) if editor else None
    if known and root.layout is Layout.EMPTY:
        return known
    fitting = known if known and known.layout is root.layout else None
    if fitting and editor and editor.definition:
        return fitting
    found = _detected(root, native)
    if found is BuiltIn.PLATE and not fitting:
        # Other editors made with Slate use its names, too; only who names it gets ours for them.
        found = BuiltIn.SLATE
    # What is called the same in several editors tells nothing.
    common = found in _COMMON and fitting and detect.could_be(fitting.name, native.children)
    return fitting if fitting and common else built_in(found)


def wrote(editor: SceneEditor, root: Written, native: Element) -> bool:
    """Whether the names in *native*, the content of *root*, are those of *editor* and no other."""
    known = named(editor)
    if editor.definition or (known.layout, known.root) != (root.layout, root.root):
        return False
    found = _detected(root, native)
    return found == editor.name and found not in _UNTOLD


def _detected(root: Written, native: Element) -> BuiltIn:
    found = detect_texts.detect(root.layout, root.root, native)
    return detect.detect(native.children) if found is None else found


_UNTOLD = frozenset({BuiltIn.TIPTAP, BuiltIn.SLATE, BuiltIn.PLAIN})
"""Editors that are found where no name tells of another one."""
_COMMON = _UNTOLD | {BuiltIn.PLATE}
"""Editors that are found where nothing points to another one."""


def by_layout(layout: Layout) -> Editor:
    """Return the lens for what an unknown editor writes in *layout*."""
    match layout:
        case Layout.XML:
            return built_in(BuiltIn.TIPTAP)
        case Layout.SLATE:
            return built_in(BuiltIn.SLATE)
        case Layout.PLAIN | Layout.EMPTY:
            return built_in(BuiltIn.PLAIN)
