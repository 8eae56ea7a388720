"""Edits of text by the ids of its characters, as Yjs updates. No I/O.

Such an edit takes away exactly the characters that it names and puts text in exactly one place,
whatever is written elsewhere meanwhile: the same bytes are right on any later state in which these
characters live. It stays within one text, so no element is made, split or joined.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from libs.contracts.collab.yprotocol import varuint
from services.collab.review import structs
from services.collab.review.characters import CharacterDocument, Ranges
from services.collab.review.structs import Id

type Piece = tuple[int, int, int]

_ORIGIN, _RIGHT_ORIGIN, _STRING = 0x80, 0x40, 4


@dataclass(frozen=True, slots=True)
class Edit:
    """Deletions of characters, insertions, or both at once."""

    update: bytes
    inserted: list[Piece]
    """Ids of the new characters; none for a mere deletion."""
    deleted: list[Piece]
    touches: list[Id]
    """The places of insertions and the elements around them: without those they would be lost."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """Characters that go, all of one text, and text that comes right after the character `after`.

    `after` is of the same text and may be one that goes. `text` has no line breaks; it takes the
    marks of what is before it.
    """

    deleted: Sequence[Piece]
    text: str
    after: Id


def replacement(
    document: CharacterDocument,
    deleted: Sequence[Piece],
    text: str,
    *,
    after: Id,
    client: int,
) -> Edit:
    """Return the edit of a single `Replacement`; see `replacements`."""
    return replacements(document, [Replacement(deleted, text, after)], client=client)[0]


def replacements(
    document: CharacterDocument, wanted: Sequence[Replacement], *, client: int
) -> tuple[Edit, list[list[Piece]]]:
    """Return one edit that makes all of *wanted*, and the ids of what each of them writes.

    Texts that come after the same character stand there in the order of *wanted*.

    Args:
        document: The document as it is now.
        wanted: No character goes twice.
        client: The Yjs client that writes; it must not have written anything in this document.

    Raises:
        KeyError: The document does not know an `after`.
    """
    structs_written: list[bytes] = []
    written: list[list[Piece]] = []
    touches: list[Id] = []
    last_at: dict[Id, Id] = {}
    clock = 0
    for each in wanted:
        right, elements = document.around(each.after)
        touches += elements
        written.append([])
        if not each.text:
            continue
        touches.append(each.after)
        structs_written.append(_insertion(last_at.get(each.after, each.after), right, each.text))
        size = len(structs.units(each.text))
        written[-1].append((client, clock, size))
        clock += size
        last_at[each.after] = client, clock - 1
    deleted = [piece for each in wanted for piece in each.deleted]
    body = b"\0"
    if structs_written:
        head = varuint(1) + varuint(len(structs_written)) + varuint(client) + varuint(0)
        body = head + b"".join(structs_written)
    inserted = [piece for own in written for piece in own]
    return Edit(body + _deletion(deleted), inserted, deleted, touches), written


def is_touched(edit: Edit, update: bytes) -> bool:
    """Whether *update* deletes or writes within what *edit* names.

    Raises:
        BadUpdate: It cannot be decoded.
    """
    found, gone = structs.decode(update)
    ranges = Ranges(gone)
    if any(ranges.touch(client, clock, clock + size) for client, clock, size in edit.deleted):
        return True
    if any(ranges.hold(*ident) for ident in edit.touches):
        return True
    own = Ranges(_as_ranges(edit.deleted))
    return any(
        struct.origin is not None
        and struct.right_origin is not None
        and own.hold(*struct.origin)
        and own.hold(*struct.right_origin)
        for written in found
        for struct in written
    )


def _as_ranges(pieces: Iterable[Piece]) -> structs.DeleteSet:
    found: structs.DeleteSet = {}
    for client, clock, size in pieces:
        found.setdefault(client, []).append((clock, clock + size))
    return found


def _insertion(after: Id, right: Id | None, text: str) -> bytes:
    encoded = text.encode()
    parts = [bytes((_STRING | _ORIGIN | (_RIGHT_ORIGIN if right else 0),))]
    parts += [varuint(after[0]), varuint(after[1])]
    if right:
        parts += [varuint(right[0]), varuint(right[1])]
    return b"".join([*parts, varuint(len(encoded)), encoded])


def _deletion(pieces: Sequence[Piece]) -> bytes:
    ranges = _as_ranges(pieces)
    parts = [varuint(len(ranges))]
    for client, own in ranges.items():
        parts += [varuint(client), varuint(len(own))]
        for first, end in sorted(own):
            parts += [varuint(first), varuint(end - first)]
    return b"".join(parts)
