"""The characters of a document with their ids, and where they stand in its text."""

from collections.abc import Callable

from libs.contracts.editors import SceneEditor
from services.collab.formats.places import placed
from services.collab.review.characters import CharacterDocument, Run
from services.collab.updates import BadUpdate

type Offsets = Callable[[int], int]
"""Gives where in the text (`format=text`, UTF-16) the character of a number stands."""


def characters(state: bytes, editor: SceneEditor | None) -> tuple[list[Run], Offsets]:
    """Return all characters that *state* shows, in order, and where they stand in its text.

    Raises:
        BadUpdate: It cannot be read, or pycrdt shows another text than its ids do.
    """
    text, document = placed(state, editor), CharacterDocument()
    document.apply(state)
    runs = [run for root in text.roots for run in document.runs(root)]
    if "".join(run.text for run in runs) != text.characters:
        raise BadUpdate("the characters by their ids are not those of the document")
    return runs, text.place
