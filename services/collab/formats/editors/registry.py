"""Which lens a root of a document is seen through."""

from functools import cache, lru_cache

from libs.contracts.editors import BuiltIn, EditorDefinition, SceneEditor
from services.collab.formats.editors import Editor, detect
from services.collab.formats.editors.plain import Plain
from services.collab.formats.editors.prosemirror import ProseMirrorEditor, definition_of
from services.collab.formats.editors.quill import Quill
from services.collab.formats.editors.slate import Slate
from services.collab.formats.layout import Layout, Written

DEFINITIONS_MAX = 100
"""Definitions of teams that are kept ready in one process."""


@cache
def built_in(name: BuiltIn) -> Editor:
    """Return the lens of an editor that is brought along."""
    match name:
        case BuiltIn.TIPTAP | BuiltIn.PROSEMIRROR:
            return ProseMirrorEditor(name, definition_of(name))
        case BuiltIn.SLATE:
            return Slate()
        case BuiltIn.QUILL:
            return Quill()
        case _:
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
            return Slate()
        case "text":
            return Plain(found.root)


def of(root: Written, editor: SceneEditor | None) -> Editor:
    """Return the lens through which *root* is seen: that of the scene's editor, or what wrote it.

    Args:
        root: A root of a document.
        editor: The editor that the scene names; it counts where it lays out as the root is.
    """
    known = named(editor) if editor else None
    if known and root.layout is Layout.EMPTY:
        return known
    fitting = known if known and known.layout is root.layout else None
    if fitting and editor and editor.definition:
        return fitting
    match root.layout:
        case Layout.XML:
            found = detect.detect(root.tree.children)
            # Most of what is written is called the same in both.
            if found is BuiltIn.TIPTAP and fitting:
                return fitting
        case Layout.SLATE:
            found = BuiltIn.SLATE
        case Layout.PLAIN | Layout.EMPTY:
            found = BuiltIn.QUILL if root.root == "quill" else BuiltIn.PLAIN
    if found is BuiltIn.BLOCKNOTE or not fitting:
        return built_in(found)
    return fitting if found is not BuiltIn.PROSEMIRROR else built_in(found)


def by_layout(layout: Layout) -> Editor:
    """Return the lens for what an unknown editor writes in *layout*."""
    match layout:
        case Layout.XML:
            return built_in(BuiltIn.TIPTAP)
        case Layout.SLATE:
            return built_in(BuiltIn.SLATE)
        case Layout.PLAIN | Layout.EMPTY:
            return built_in(BuiltIn.PLAIN)
