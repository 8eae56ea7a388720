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
    """A deletion of characters, an insertion, or both at once."""

    update: bytes
    inserted: list[Piece]
    """Ids of the new characters; none for a mere deletion."""
    deleted: list[Piece]
    touches: list[Id]
    """The place of the insertion and the elements around it: without them it would be lost."""


def replacement(
    document: CharacterDocument,
    deleted: Sequence[Piece],
    text: str,
    *,
    after: Id,
    client: int,
) -> Edit:
    """Delete characters and insert *text* right after the character *after*.

    Args:
        document: The document as it is now.
        deleted: Characters that go; all of one text.
        text: What comes, without line breaks; it takes the marks of what is before it.
        after: A character of the same text; it may be one that goes.
        client: The Yjs client that writes; it must not have written anything in this document.

    Raises:
        KeyError: The document does not know *after*.
    """
    right, elements = document.around(after)
    body = b"\0"
    inserted: list[Piece] = []
    if text:
        body = _insertion(client, after, right, text)
        inserted = [(client, 0, len(structs.units(text)))]
    return Edit(
        update=body + _deletion(deleted),
        inserted=inserted,
        deleted=list(deleted),
        touches=[after, *elements] if text else elements,
    )


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


def _insertion(client: int, after: Id, right: Id | None, text: str) -> bytes:
    info = _STRING | _ORIGIN | (_RIGHT_ORIGIN if right else 0)
    encoded = text.encode()
    parts = [
        varuint(1),  # clients
        varuint(1),  # structs
        varuint(client),
        varuint(0),  # clock
        bytes((info,)),
        varuint(after[0]),
        varuint(after[1]),
    ]
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
