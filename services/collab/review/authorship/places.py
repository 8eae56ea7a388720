"""Where a character of a document stands in its text."""

from collections.abc import Iterator

from libs.contracts.editors import SceneEditor
from services.collab.review.authorship.spans import Offsets
from services.collab.review.characters import CharacterDocument, Run


def visible(document: CharacterDocument) -> Iterator[Run]:
    """Yield the characters of all roots."""
    for root in document.roots:
        yield from document.runs(root)


def offsets_of(state: bytes, editor: SceneEditor | None) -> Offsets:
    """Return what turns numbers of raw characters into offsets."""
    del state, editor
    return lambda at: at
