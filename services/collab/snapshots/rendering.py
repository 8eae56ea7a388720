"""From a Yjs state to a snapshot, and the comparison of both: work for `workers`.

Nothing here runs on the event loop; this module imports little, for a worker imports it all.
"""

import json
from typing import Any, NamedTuple, cast

import zstandard
from pycrdt import Doc

from libs.contracts.collab.persistence import Severity
from libs.contracts.editors import SceneEditor
from services.collab import formats, updates
from services.collab.normal import ranges
from services.collab.snapshots import model

ZSTD_LEVEL = 3

RENDERING = 3
"""Raise it when `formats.blocks` writes anything down differently than before: snapshots of another
rendering are renewed, for comparing them would find differences that nobody made."""


class Packed(NamedTuple):
    """Blocks as they are stored: zstd of canonical JSON."""

    content: bytes
    size_bytes: int
    block_count: int


class Rendered(NamedTuple):
    """A state as a snapshot; `position` is its `model.position_digest`."""

    packed: Packed
    position: str
    checksum: str


class Readable(NamedTuple):
    """Blocks for a client: JSON, and the text of the first scene heading."""

    blocks_json: str
    heading: str | None


class Compared(NamedTuple):
    """The result of `compare`; without a severity there is no difference."""

    yjs_block_count: int
    rest_block_count: int
    yjs_checksum: str
    rest_checksum: str
    severity: Severity | None
    diff: dict[str, Any] | None


class Kept(NamedTuple):
    """A stored snapshot as `compare` needs it."""

    content: bytes
    size_bytes: int
    block_count: int
    position: str
    checksum: str


def render(state: bytes, editor: SceneEditor | None = None) -> Rendered:
    """Make a snapshot of *state*, as the lens of *editor* shows it.

    Raises:
        BadUpdate: It cannot be read.
    """
    content, blocks = _content(state, editor)
    return _rendered(blocks, content, position_of(state))


def pack(blocks: list[dict[str, Any]]) -> Rendered:
    """Make a snapshot of blocks that came from elsewhere; they stand nowhere in a log."""
    return _rendered(blocks, model.canonical(blocks), "")


def readable(state: bytes, editor: SceneEditor | None = None) -> Readable:
    """The blocks of *state* for a client, as the lens of *editor* shows them.

    Raises:
        BadUpdate: It cannot be read.
    """
    content, blocks = _content(state, editor)
    return Readable(content.decode(), model.heading(blocks))


def unpacked(content: bytes, size_bytes: int) -> Readable | None:
    """The blocks of a stored snapshot for a client; None when it is damaged."""
    plain = unpack(content, size_bytes)
    blocks = None if plain is None else _parsed(plain)
    return (
        None if plain is None or blocks is None else Readable(plain.decode(), model.heading(blocks))
    )


def compare(state: bytes, kept: Kept, editor: SceneEditor | None = None) -> Compared:
    """Compare a stored snapshot with the *state* that the log gives for its place.

    Both are as the lens of *editor* shows them.

    Raises:
        BadUpdate: The state cannot be read.
    """
    content, ours = _content(state, editor)
    yjs = model.checksum(position_of(state), content)
    plain = unpack(kept.content, kept.size_bytes)
    theirs = None if plain is None else _parsed(plain)
    if plain is None or theirs is None:
        diff: dict[str, Any] = {"reason": "the stored content cannot be read"}
        return Compared(len(ours), 0, yjs, "", Severity.CRITICAL, diff)
    rest = model.checksum(kept.position, plain)
    if rest == yjs == kept.checksum and kept.block_count == len(ours):
        return Compared(len(ours), len(theirs), yjs, rest, None, None)
    found = model.compare(ours, theirs)
    diff = {
        "blocks_differing": found.differing,
        "blocks_reading_differently": found.reads_differently,
        "blocks": found.shown,
        "stored_checksum": kept.checksum,
        "stored_block_count": kept.block_count,
    }
    severity = model.severity(found, len(ours), len(theirs))
    return Compared(len(ours), len(theirs), yjs, rest, severity, diff)


def position_of(state: bytes) -> str:
    """The `model.position_digest` of what a document shows of *state*.

    Raises:
        BadUpdate: It cannot be read.
    """
    with updates.pycrdt_errors():
        doc: Doc[Any] = Doc()
        doc.apply_update(state)
        vector = doc.get_state()
        # Beyond its own state vector a document has nothing but all its deletions.
        deletions = doc.get_update(vector)
    return model.position_digest(updates.read_state_vector(vector), ranges(deletions))


def unpack(content: bytes, size_bytes: int) -> bytes | None:
    """Decompress; None when it is damaged. The frame's own size is not trusted with memory."""
    try:
        if zstandard.frame_content_size(content) != size_bytes:
            return None
        return zstandard.decompress(content, max_output_size=size_bytes)
    except zstandard.ZstdError:
        return None


def _rendered(blocks: list[dict[str, Any]], content: bytes, position: str) -> Rendered:
    packed = Packed(zstandard.compress(content, ZSTD_LEVEL), len(content), len(blocks))
    return Rendered(packed, position, model.checksum(position, content))


def _content(state: bytes, editor: SceneEditor | None) -> tuple[bytes, list[dict[str, Any]]]:
    with updates.pycrdt_errors():
        blocks = formats.blocks(state, editor)
    return model.canonical(blocks), blocks


def _parsed(plain: bytes) -> list[dict[str, Any]] | None:
    try:
        found: Any = json.loads(plain)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    blocks = cast("list[Any]", found)
    return blocks if all(isinstance(block, dict) for block in blocks) else None
