"""Accepted suggestions yield documents that the real editors keep as they are."""

from random import Random

import pytest

from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import updates
from services.collab.review.anchors.view import SceneAt, Stood, View
from services.collab.review.hunks.planning import Hunk, HunkKind, apply
from services.collab.review.structs import whole
from tests.clients.editors.documents import Author
from tests.clients.editors.opening import RealEditors
from tests.clients.editors.test_puts import REAL, begun

SCENES = 20


@pytest.mark.parametrize("editor", BuiltIn)
def test_real_editors_keep_what_is_accepted(editor: BuiltIn) -> None:
    named, opened = SceneEditor(name=editor), 0
    with RealEditors() as editors:
        for seed in range(SCENES):
            pick = Random(f"{editor} {seed}")
            state = begun(Author(pick), named)
            at = SceneAt(seed.to_bytes(16), 1, state, named)
            hunk = suggested(View(state, named), pick)
            planned = apply(at, [hunk] if hunk else [], 2**40 + seed)
            if hunk and not planned.differing:
                opened += 1
                result = updates.merge([state, planned.plan.edit.update])
                assert not editors.open(REAL[editor], result).changed, seed
    assert opened > SCENES // 2


def suggested(view: View, pick: Random) -> Hunk | None:
    """Return a hunk on a random stretch; None in a scene with next to no text."""
    if view.size < 3:
        return None
    start = pick.randrange(view.size - 2)
    stood = view.on_characters(start, min(view.size, start + pick.randint(1, 12)))
    assert isinstance(stood, Stood)
    kinds: tuple[HunkKind, ...] = ("replace", "insert", "delete")
    kind = pick.choice(kinds)
    text = "" if kind == "delete" else pick.choice(["new words", "two\nlines"])
    return Hunk(stood.first, stood.last, whole(stood.quote), text, kind, "after")
