"""Authorship's heavy work, as functions for `workers` to run in other processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from libs.contracts.editors import SceneEditor
from services.collab.review.authorship.parts import (
    Origins,
    Part,
    coalesced,
    packed,
    unpacked,
)
from services.collab.review.authorship.places import characters
from services.collab.review.authorship.rows import Rows, part_of
from services.collab.review.authorship.spans import (
    Bounds,
    Span,
    placed,
    spans_of,
    together,
)


@dataclass(frozen=True, slots=True)
class Sources:
    """The edits of a document: columns, and kept parts as they are stored."""

    own: Sequence[Part | bytes]
    """Of its own log, the oldest first."""
    others: Sequence[Sequence[Part | bytes]] = field(default_factory=list[list[Part | bytes]])
    """Of logs whose edits came into this one at once: merged branches, a branch's scene."""
    born_seq: int | None = None
    """The version as which a branch took its scene in; None for a scene."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The spans that are asked for."""

    first: int
    count: int


def read(pages: Sequence[Rows], base: Sequence[bytes] | None) -> Part:
    """Return the edits of *pages* of a log, which follow on *base*."""
    return part_of(pages, base)


def keep(pages: Sequence[Rows], base: Sequence[bytes] | None, before: Sequence[bytes]) -> bytes:
    """Return what is kept of *pages* of a log, which follow on *base* and on the parts *before*."""
    return packed(coalesced([part_of(pages, base)], _opened(before)))


def tell(
    state: bytes, sources: Sources, bounds: Bounds, editor: SceneEditor | None, page: Slice
) -> tuple[list[Span], bool]:
    """Return a page of the spans of *state* in offsets of its text, and whether more follow.

    Raises:
        BadUpdate: The state cannot be read.
    """
    if sources.others:
        logs = [_opened(parts) for parts in (sources.own, *sources.others)]
        origins = together(logs, sources.born_seq)
    else:
        origins = Origins.of(_opened(sources.own))
    runs, offsets = characters(state, editor)
    spans = placed(spans_of(runs, origins, bounds), offsets)
    end = page.first + page.count
    return spans[page.first : end], end < len(spans)


def _opened(parts: Sequence[Part | bytes]) -> list[Part]:
    """Return *parts* as columns; what is damaged tells nothing."""
    opened = [unpacked(part) if isinstance(part, bytes) else part for part in parts]
    return [part for part in opened if part is not None]
