"""Splitting the text of a scene into its blocks: work for `workers`."""

from dataclasses import dataclass

from libs.contracts.editors import SceneEditor
from services.collab import updates
from services.collab.formats import document, names
from services.collab.formats.convert import BYTE_ORDER_MARK, is_text
from services.collab.formats.inline import text_of_line
from services.collab.formats.units import holds_text, units_of
from services.collab.review.anchors.view import View, view_of
from services.collab.review.structs import Id, units
from services.collab.updates import BadUpdate


@dataclass(frozen=True, slots=True)
class Block:
    """A block that says something, as `libs.contracts.collab.passages.Passage` shows it."""

    index: int
    type: str
    text: str
    start: int
    end: int
    first: Id
    last: Id


def blocks(scene: bytes, seq: int, state: bytes, editor: SceneEditor | None) -> list[Block]:
    """Return the blocks of a scene at *seq* that have text.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(scene, seq, state, editor)
    found: list[Block] = []
    start = 0
    for index, (kind, text) in enumerate(_written(state, editor)):
        size = len(units(text))
        if text.strip() and (ends := _ends(view, start, start + size)) is not None:
            found.append(Block(index, kind, text, start, start + size, *ends))
        start += size + 1
    if max(start - 1, 0) != len(view.text):
        raise BadUpdate("the blocks of the document are not its text")
    return found


def _written(state: bytes, editor: SceneEditor | None) -> list[tuple[str, str]]:
    """Return types and texts of all blocks, which joined by line feeds are the text."""
    with updates.pycrdt_errors():
        read = document.read(state, editor)
        if is_text(read):
            whole = text_of_line(read.natives[0].children).removeprefix(BYTE_ORDER_MARK)
            return [(names.PARAGRAPH, line) for line in whole.split("\n")]
        found = [
            (unit.block.type or names.PARAGRAPH, text_of_line(unit.block.children))
            for unit in units_of(read.view(), shown=holds_text)
        ]
    if found:
        kind, text = found[0]
        found[0] = kind, text.removeprefix(BYTE_ORDER_MARK)
    return found


def _ends(view: View, start: int, end: int) -> tuple[Id, Id] | None:
    found = view.ends_of(start, end)
    return found and (found[0], found[1])
