"""The difference of two states block by block, computed in a worker process. No I/O.

A list of `{op: added|removed|changed|moved}`, without equal blocks. `from` and `to` are numbers of
blocks, `block` is the new one, `before` the old one, `text` what changed within.
"""

import json
from collections.abc import Sequence
from typing import Any

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import SceneEditor
from services.collab import align, formats
from services.collab.formats.names import INLINE
from services.collab.history.compare import COMPARED_BYTES_MAX, Change, TooMuch, text_changes

type Block = dict[str, Any]


def compare_blocks(old: bytes, new: bytes, editor: SceneEditor | None = None) -> list[Change]:
    """Compare states block by block, as the lens of *editor* shows them.

    Raises:
        TooMuch: See there.
        BadUpdate: A state cannot be read.
    """
    before, after = blocks_of(old, editor), blocks_of(new, editor)
    pairs, changed = pair(before, after)
    kept_old = {i for i, _ in pairs} | {i for i, _ in changed}
    kept_new = {k for _, k in pairs} | {k for _, k in changed}
    places: dict[str, list[int]] = {}
    for i, block in enumerate(before):
        if i not in kept_old:
            places.setdefault(key(block), []).append(i)
    found = [_changed(i, k, before[i], after[k]) for i, k in changed]
    moved: set[int] = set()
    for k, block in enumerate(after):
        if k in kept_new:
            continue
        if came_from := places.get(key(block)):
            moved.add(i := came_from.pop(0))
            found.append({"op": "moved", "from": i, "to": k, "block": block})
        else:
            found.append({"op": "added", "to": k, "block": block})
    for i, block in enumerate(before):
        if i not in kept_old and i not in moved:
            found.append({"op": "removed", "from": i, "before": block})
    return sorted(found, key=lambda one: (one.get("to", one.get("from")), one["op"]))


def _changed(i: int, k: int, before: Block, after: Block) -> Change:
    text = text_changes(text_of(before), text_of(after))
    return {"op": "changed", "from": i, "to": k, "before": before, "block": after, "text": text}


def pair(
    before: Sequence[Block], after: Sequence[Block]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pair equal blocks, and between them those that became one another."""
    keys_before, keys_after = [key(b) for b in before], [key(b) for b in after]
    equal = align.equal_pairs(keys_before, keys_after)
    texts_before, texts_after = [text_of(b) for b in before], [text_of(b) for b in after]

    def score(i: int, k: int) -> float:
        alike = align.likeness(texts_before[i], texts_after[k])
        return alike if before[i].get("type") == after[k].get("type") else alike * 0.9

    changed = [
        found
        for gap in align.gaps(equal, len(before), len(after))
        for found in align.alike_pairs(gap, score)
    ]
    return equal, changed


def blocks_of(state: bytes, editor: SceneEditor | None = None) -> list[Block]:
    """The blocks of a state, as the lens of *editor* shows them.

    Raises:
        TooMuch: They are larger than COMPARED_BYTES_MAX.
    """
    found = formats.render(state, ContentFormat.BLOCKS, editor)
    if len(found) > COMPARED_BYTES_MAX:
        raise TooMuch
    return json.loads(found)


def key(block: Block) -> str:
    """The key that equal blocks share."""
    return json.dumps(block, sort_keys=True, ensure_ascii=False)


def text_of(block: Block) -> str:
    """The words of a block; blocks within it on lines of their own."""
    if "text" in block and "children" not in block:
        return str(block["text"])
    parts: list[str] = []
    for child in block.get("children") or ():
        if parts and "children" in child and child.get("type") not in INLINE:
            parts.append("\n")
        parts.append(text_of(child))
    return "".join(parts)


def dumped(blocks: Sequence[Block]) -> bytes:
    """Write blocks down."""
    return json.dumps(blocks, ensure_ascii=False, separators=(",", ":")).encode()
