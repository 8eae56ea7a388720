"""Following anchors through the log: work for `workers`.

A worker remembers the documents it followed last, so that a scene in which somebody types is not
read anew for each look.
"""

from collections import OrderedDict
from collections.abc import Sequence

from services.collab.review.advancing import advance
from services.collab.review.anchors.carrying import Carrier
from services.collab.review.anchors.model import Held, Row
from services.collab.review.characters import CharacterDocument

DOCUMENTS_MAX = 8
DOCUMENTS_BYTES_MAX = 2_000_000
"""Of the states that the remembered documents were made of; each takes about 40 times as much."""

_documents: OrderedDict[bytes, tuple[int, int, CharacterDocument]] = OrderedDict()
"""By scene: the version it is at, the bytes of its state, the document."""


def follow(
    scene: bytes,
    followed: int,
    base: bytes | None,
    rows: Sequence[Row],
    anchors: Sequence[Held],
) -> list[Held] | None:
    """Take *anchors* of a scene at version *followed* through *rows*; returns those that changed.

    Without *base*, the state at that version, None where this process does not remember it.

    Raises:
        BadUpdate: The base cannot be read. A row that cannot is passed over.
    """
    known = _documents.get(scene)
    if known is not None and known[0] == followed:
        _, size, document = _documents.pop(scene)
    elif base is not None:
        size, document = len(base), _document_at(base, _documents.pop(scene, None), followed)
    else:
        return None
    carrier = Carrier(document, anchors)
    for row in rows:
        carrier.take(row)
        size += len(row.update)
    if rows:
        carrier.settle(rows[-1])
    while _documents and (
        len(_documents) >= DOCUMENTS_MAX
        or sum(one[1] for one in _documents.values()) + size > DOCUMENTS_BYTES_MAX
    ):
        _documents.popitem(last=False)
    if size <= DOCUMENTS_BYTES_MAX and rows:
        _documents[scene] = rows[-1].seq, size, document
    return list(carrier.changed.values())


def _document_at(
    base: bytes, known: tuple[int, int, CharacterDocument] | None, seq: int
) -> CharacterDocument:
    if known is not None and known[0] <= seq and advance(known[2], base):
        # Another replica followed the edits in between.
        return known[2]
    document = CharacterDocument()
    document.apply(base)
    return document
