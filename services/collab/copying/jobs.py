"""Packing and unpacking texts: work for `workers`."""

from typing import Any

import zstandard
from pycrdt import Doc

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import SceneEditor
from services.collab import formats, updates
from services.collab.formats import jobs
from services.collab.stored import unpack

ZSTD_LEVEL = 6


def pack(
    state: bytes, markdown: bool, editor: SceneEditor | None = None
) -> tuple[bytes, int, bytes]:
    """Return *state* compressed, its size, and its compressed Markdown if that is wanted.

    The Markdown is as the lens of *editor* shows it.

    Raises:
        BadUpdate: No document can take it in.
    """
    fresh = _fresh(state)
    text = formats.render(fresh, ContentFormat.MARKDOWN, editor) if markdown else b""
    return (
        zstandard.compress(fresh, ZSTD_LEVEL),
        len(fresh),
        zstandard.compress(text, ZSTD_LEVEL) if text else b"",
    )


def check(packed: bytes, size: int) -> None:
    """Return when *packed* is the state of a document, of *size* bytes.

    Raises:
        BadUpdate: It is not.
    """
    _unpacked(packed, size)


def planting(packed: bytes, size: int, known: bytes) -> list[bytes]:
    """Return what a scene that is at *known* lacks of a text, in pieces that fit the log.

    Raises:
        BadUpdate: It is no text.
    """
    return jobs.rewrite(known, ContentFormat.YJS, _unpacked(packed, size))


def _unpacked(packed: bytes, size: int) -> bytes:
    state = unpack(packed, size)
    if state is None:
        raise updates.BadUpdate("it is not what it says")
    updates.check(state)
    return _fresh(state)


def _fresh(state: bytes) -> bytes:
    """Return what a fresh document makes of *state*.

    It keeps nothing of what was deleted, nor what waits for something that never came, which
    nobody could see.
    """
    with updates.pycrdt_errors():
        doc: Doc[Any] = Doc()
        doc.apply_update(state)
        fresh, vector = doc.get_update(), doc.get_state()
    # Some documents take a hostile update and cannot be read back from their own encoding.
    if updates.read_state_vector(updates.reached(fresh)) != updates.read_state_vector(vector):
        raise updates.BadUpdate("the state does not survive its encoding")
    return fresh
