"""Blocks to an update and back: work for `workers`, which import little else."""

import json
from typing import Any, NamedTuple, cast

from libs.contracts.content import ContentFormat
from services.collab import formats, updates
from services.collab.formats import BadContent, slate
from services.collab.snapshots import rendering


class Converted(NamedTuple):
    """The update made of blocks, or why there is none."""

    update: bytes
    reason: str = ""


def convert(content: bytes, size_bytes: int) -> Converted:
    """Make one update of stored blocks, and make sure that it says the same.

    Args:
        content: zstd of JSON.
        size_bytes: Its length when decompressed.
    """
    plain = rendering.unpack(content, size_bytes)
    if plain is None:
        return Converted(b"", "the stored blocks are damaged")
    try:
        update = formats.rewrite(updates.EMPTY, ContentFormat.BLOCKS, plain)
        if update is None:
            return Converted(b"", "there is no text in it")
        if formats.blocks(update) != _normal(plain):
            return Converted(b"", "the text would not come back as it went in")
    except BadContent as error:
        return Converted(b"", f"{error.place or 'content'}: {error.reason}")
    except updates.BadUpdate as error:
        return Converted(b"", f"cannot be converted: {error}")
    return Converted(update)


def matches(state: bytes, content: bytes, size_bytes: int) -> bool:
    """Whether a state says what stored blocks say."""
    plain = rendering.unpack(content, size_bytes)
    try:
        return plain is not None and formats.blocks(state) == _normal(plain)
    except (BadContent, updates.BadUpdate):
        return False


def _normal(plain: bytes) -> list[dict[str, Any]]:
    """Blocks in the form that reading gives them: shorthand written out, leaves joined."""
    blocks = slate.blocks(slate.parse(plain))
    # As they come back from JSON, so that equal means equal to a client.
    return cast("list[dict[str, Any]]", json.loads(json.dumps(blocks)))
