"""The text of a scene in every format, read from and written into its Yjs state. No I/O.

`render` and `rewrite` are the whole surface; docs/formats.md tells what becomes of what. They run
inline for small documents and in `workers` for large ones; importing them costs little, because
Markdown is loaded only when it is asked for.
"""

from typing import Any

from libs.contracts.collab.content import ContentFormat
from libs.contracts.collab.yprotocol import NO_STRUCTS, deletions_by_client
from libs.contracts.editors import SceneEditor
from services.collab import updates
from services.collab.formats import document, layout, slate
from services.collab.formats.convert import converted, rendered, restored, rewritten
from services.collab.formats.layout import Layout
from services.collab.formats.tree import BadContent, CannotHold

__all__ = [
    "BadContent",
    "CannotHold",
    "Layout",
    "blocks",
    "converted",
    "is_empty",
    "layout_of",
    "lens_of",
    "render",
    "restored",
    "rewrite",
    "roots_of",
]


def render(state: bytes, form: ContentFormat, editor: SceneEditor | None = None) -> bytes:
    """Write *state* down in *form*: JSON, UTF-8 text or, for yjs, one Yjs update.

    Raises:
        BadUpdate: The state cannot be read.
    """
    return state if form is ContentFormat.YJS else rendered(state, form, editor)


def rewrite(
    state: bytes, form: ContentFormat, wanted: bytes, editor: SceneEditor | None = None
) -> bytes | None:
    """Return the smallest update that makes *state* read *wanted*; None when it does already.

    Raises:
        BadContent: *wanted* cannot be parsed; says where.
        CannotHold: The scene is laid out for an editor that has no room for it; says what to do.
        BadUpdate: The state, or for yjs *wanted*, cannot be read.
    """
    if form is ContentFormat.YJS:
        return _beyond(state, wanted)
    return rewritten(state, form, wanted, editor)


def _beyond(state: bytes, wanted: bytes) -> bytes | None:
    vector = updates.state_vector(state)
    update = updates.difference(wanted, vector)
    if update == updates.EMPTY:
        return None
    if update.startswith(NO_STRUCTS):
        # Only deletions, and an encoded difference always holds all of them: are they known?
        known = deletions_by_client(updates.deletions(state, vector))
        if all(known.get(client) == gone for client, gone in deletions_by_client(update).items()):
            return None
    return update


def blocks(state: bytes, editor: SceneEditor | None = None) -> list[dict[str, Any]]:
    """Return *state* as Slate JSON values.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        return slate.blocks(document.read(state, editor).view())


def is_empty(state: bytes) -> bool:
    """Whether nobody wrote anything yet: neither text nor a picture, at most empty blocks.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        return not any(layout.says_something(root.tree) for root in document.read(state).roots)


def layout_of(state: bytes) -> Layout:
    """Return how the main root of *state* is laid out.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        return document.read(state).main.layout


def lens_of(state: bytes, editor: SceneEditor | None = None) -> str:
    """Return the name of the editor by whose rules *state* is read.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        return document.read(state, editor).lens.name


def roots_of(state: bytes) -> list[str]:
    """Return the names of the roots of *state* that hold text, the main one first.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        return [
            root.root for root in document.read(state).roots if layout.says_something(root.tree)
        ]
