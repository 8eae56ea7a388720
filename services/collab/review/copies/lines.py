"""Rows of conversations as lines of a copy."""

from typing import Any
from uuid import UUID

from libs.contracts.collab.anchors import QUOTE_CHARS_MAX, AnchorStatus
from libs.contracts.collab.conversations import (
    LINE_BYTES_MAX,
    PIECES_MAX,
    CarriedAnchor,
    CarriedChange,
    CarriedComment,
    CarriedHunk,
    CarriedPatch,
    CarriedReaction,
    CarriedSuggestion,
    CarriedThread,
    CarriedWrote,
    Line,
)
from services.collab.review.anchors.model import Piece
from services.collab.review.copies.people import label_of

type Row = Any


def thread_line(row: Row, number: int) -> bytes:
    """Return the line of a thread."""
    thread = CarriedThread(
        id=number,
        state=row["state"],
        anchor=_anchor(row, row["status"]),
        resolved_at=row["resolved_at"],
        resolved_by=_maybe(row["resolved_by"]),
        **_times(row),
    )
    return _encode(thread)


def comment_line(
    row: Row, thread: int, mentions: list[UUID], reactions: dict[str, list[UUID]]
) -> bytes:
    """Return the line of a comment."""
    comment = CarriedComment(
        thread=thread,
        number=row["number"],
        body=row["body"],
        meta=row["meta"],
        mentions=sorted(label_of(each) for each in mentions),
        reactions=[
            CarriedReaction(emoji=emoji, people=[label_of(each) for each in people])
            for emoji, people in reactions.items()
        ],
        edited_at=row["edited_at"],
        deleted_at=row["deleted_at"],
        deleted_by=_maybe(row["deleted_by"]),
        **_times(row),
    )
    return _encode(comment)


def suggestion_line(row: Row, number: int) -> bytes:
    """Return the line of a suggestion, without its versions and its run."""
    suggestion = CarriedSuggestion(
        id=number,
        status=row["status"],
        change=row["kind"],
        anchor=_anchor(row, row["words"]),
        base=row["base"],
        text=row["text"],
        blocks=row["blocks"],
        attributes=row["attributes"],
        side=row["side"],
        note=row["note"],
        applied=row["applied"] and _change(row),
        decided_at=row["decided_at"],
        decided_by=_maybe(row["decided_by"]),
        **_times(row),
    )
    return _encode(suggestion)


def patch_line(row: Row, number: int) -> bytes:
    """Return the line of a patch, without its versions, its conflicts and its run."""
    patch = CarriedPatch(
        id=number,
        state=row["state"],
        rebase_strategy=row["rebase_strategy"],
        title=row["title"],
        note=row["note"],
        decided_at=row["decided_at"],
        decided_by=_maybe(row["decided_by"]),
        **_times(row),
    )
    return _encode(patch)


def hunk_line(row: Row, patch: int, anchor: Row, written: Row | None) -> bytes:
    """Return the line of a hunk; *anchor* and *written* are the rows of its anchors."""
    hunk = CarriedHunk(
        patch=patch,
        number=row["number"],
        state=row["state"],
        change=row["kind"],
        anchor=_anchor(anchor, anchor["status"]),
        base=row["base"],
        text=row["text"],
        side=row["side"],
        wrote=row["applied"] and _wrote(row["applied"]),
        written=written and _anchor(written, written["status"]),
    )
    return _encode(hunk)


def _wrote(held: dict[str, Any]) -> CarriedWrote:
    before, after = ([(client, clock) for client, clock in side] for side in held["beside"])
    applied = held["applied"] and _applied(held["applied"])
    if applied and applied.place is None and before and not held["text"]:
        # The deleted words are in no copy; they are put back after the character before them.
        applied = applied.model_copy(update={"place": (before[0], "")})
    return CarriedWrote(
        change=held["kind"],
        base=held["base"],
        text=held["text"],
        words=held["words"],
        head=held["head"],
        tail=held["tail"],
        applied=applied,
        before=before,
        after=after,
    )


def _anchor(row: Row, status: str) -> CarriedAnchor:
    """Return the anchor in *row*, without the deleted words that it waits for."""
    orphaned = status == AnchorStatus.ORPHANED
    near = None
    if orphaned and row["first_client"] is not None:
        near = row["first_client"], row["first_clock"]
    return CarriedAnchor(
        status=AnchorStatus(status),
        quote=row["quote"],
        before=row["before"],
        after=row["after"],
        offset=row["from_offset"],
        pieces=_few(row["pieces"]),
        near=near,
        deleted_at=row["words_deleted_at"],
        deleted_by=_maybe(row["words_deleted_by"]),
    )


def _few(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces, or none where their words have to do: they are too many for a line."""
    size = sum(size for _, _, size in pieces)
    if len(pieces) > PIECES_MAX or size > 2 * QUOTE_CHARS_MAX:
        return []
    return [(client, clock, size) for client, clock, size in pieces]


def _change(row: Row) -> CarriedChange:
    """Return what an accepted suggestion wrote; what it deleted or formatted is in no copy."""
    if row["blocks"] is not None or row["attributes"] is not None:
        return CarriedChange(inserted=[])
    return _applied(row["applied"])


def _applied(held: dict[str, Any]) -> CarriedChange:
    return CarriedChange(inserted=_few(held["inserted"]), place=_place(held))


def _place(applied: dict[str, Any]) -> Any:
    place: Any = applied.get("place")
    if place is None:
        return None
    before, between = place
    return None if before is None else tuple(before), between


def _times(row: Row) -> dict[str, Any]:
    return {
        "created_at": row["created_at"],
        "created_by": label_of(row["created_by"]),
        "updated_at": row["updated_at"],
        "updated_by": label_of(row["updated_by"]),
    }


def _maybe(person: UUID | None) -> UUID | None:
    return None if person is None else label_of(person)


def _encode(line: Line) -> bytes:
    encoded = line.model_dump_json(by_alias=True, exclude_none=True).encode() + b"\n"
    if len(encoded) <= LINE_BYTES_MAX or isinstance(line, CarriedComment | CarriedPatch):
        return encoded
    # Its words have to do.
    shorter: dict[str, Any] = {"anchor": line.anchor.model_copy(update={"pieces": []})}
    if isinstance(line, CarriedHunk) and line.written:
        shorter["written"] = line.written.model_copy(update={"pieces": []})
    return _encode(line.model_copy(update=shorter))
