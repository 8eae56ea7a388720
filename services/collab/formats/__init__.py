"""The text of a scene in every format, read from and written into its Yjs state. No I/O.

`render` and `rewrite` are the whole surface; docs/formats.md tells what becomes of what. They run
inline for small documents and in `workers` for large ones; importing them costs little, because
Markdown is loaded only when it is asked for.
"""

from typing import Any

from libs.contracts.content import ContentFormat
from libs.contracts.yprotocol import NO_STRUCTS, deletions_by_client
from services.collab import updates
from services.collab.formats import layout, lines, prosemirror, slate
from services.collab.formats.convert import native_of, rewritten, shown
from services.collab.formats.layout import Layout
from services.collab.formats.tree import BadContent, CannotHold

__all__ = [
    "BadContent",
    "CannotHold",
    "Layout",
    "blocks",
    "is_empty",
    "layout_of",
    "render",
    "rewrite",
]


def render(state: bytes, form: ContentFormat) -> bytes:
    """Write *state* down in *form*: JSON, UTF-8 text or, for yjs, one Yjs update.

    Raises:
        BadUpdate: The state cannot be read.
    """
    if form is ContentFormat.YJS:
        return state
    with updates.pycrdt_errors():
        written = layout.read(state)
        native = native_of(written)
        match form:
            case ContentFormat.TEXT | ContentFormat.MARKDOWN if written.layout is Layout.PLAIN:
                return lines.plain(written.tree).encode()
            case ContentFormat.TEXT:
                return lines.render(native).encode()
            case ContentFormat.MARKDOWN:
                from services.collab.formats import markdown  # noqa: PLC0415 (its parser is slow to load)

                return markdown.render(shown(native, written.layout, ContentFormat.BLOCKS)).encode()
            case ContentFormat.BLOCKS:
                return slate.render(shown(native, written.layout, form))
            case ContentFormat.PROSEMIRROR:
                return prosemirror.render(shown(native, written.layout, form))


def rewrite(state: bytes, form: ContentFormat, wanted: bytes) -> bytes | None:
    """Return the smallest update that makes *state* read *wanted*; None when it does already.

    Raises:
        BadContent: *wanted* cannot be parsed; says where.
        CannotHold: The scene is laid out for an editor that has no room for it; says what to do.
        BadUpdate: The state, or for yjs *wanted*, cannot be read.
    """
    if form is ContentFormat.YJS:
        return _beyond(state, wanted)
    return rewritten(state, form, wanted)


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


def blocks(state: bytes) -> list[dict[str, Any]]:
    """Return *state* as Slate JSON values.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        written = layout.read(state)
        return slate.blocks(shown(native_of(written), written.layout, ContentFormat.BLOCKS))


def is_empty(state: bytes) -> bool:
    """Whether nobody wrote anything yet: neither text nor a picture, at most empty blocks.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        return not layout.says_something(layout.read(state).tree)


def layout_of(state: bytes) -> Layout:
    """Return how *state* is laid out.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        return layout.read(state).layout
