"""The editors whose documents are a Y.XmlFragment, by name."""

from functools import cache

from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab.formats.editors.blocknote import BlockNoteEditor
from services.collab.formats.editors.prosemirror import ProseMirrorEditor, definition_of

FRAGMENTS = frozenset({BuiltIn.TIPTAP, BuiltIn.PROSEMIRROR, BuiltIn.BLOCKNOTE})


@cache
def built_in(name: BuiltIn) -> ProseMirrorEditor:
    """Return one of FRAGMENTS; its schema is loaded when it is first asked for."""
    kind = BlockNoteEditor if name is BuiltIn.BLOCKNOTE else ProseMirrorEditor
    return kind(name, definition_of(name))


def editor_of(scene: SceneEditor) -> ProseMirrorEditor:
    """Return the editor of a scene whose document is a Y.XmlFragment.

    Raises:
        BadExpression: A content expression of a team's definition is none.
        CannotHold: The definition has no node type of the name of its top node.
    """
    if scene.definition is not None:
        return ProseMirrorEditor(scene.name, scene.definition, strict=True)
    return built_in(BuiltIn(scene.name))
