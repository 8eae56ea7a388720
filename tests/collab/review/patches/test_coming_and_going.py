"""Applying, reverting and applying again give the text of a plain model, whatever others write."""

from dataclasses import dataclass
from random import Random

import pytest

from libs.contracts.collab.patches import HunkKind
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab.review.structs import units, whole
from tests.collab.review.patches.support import HunkRow, Scene, held, words

KINDS = (HunkKind.REPLACE, HunkKind.REPLACE, HunkKind.INSERT, HunkKind.DELETE)
TEXTS = ("new words", "née 🎭", "two\nlines", "x", " and", "\nIt was cold.", "end.\n", "\n")


@dataclass(slots=True)
class Change:
    """A hunk in the plain model: words, and what they become."""

    base: str
    kind: HunkKind
    side: str
    text: str

    def read(self, *, applied: bool) -> str:
        """Return the words with or without the change."""
        if not applied:
            return self.base
        if self.kind is HunkKind.INSERT:
            return self.text + self.base if self.side == "before" else self.base + self.text
        return self.text


class Model:
    """Text that others write, with hunks between: a list of strings and changes."""

    def __init__(self, pick: Random, *, splits: bool) -> None:
        self.pick = pick
        self.came = ("x", " word", "", "née") + ("\nNew line ",) * splits
        self.parts: list[str | Change] = [self._gap()]
        for _ in range(pick.randint(1, 6)):
            kind = pick.choice(KINDS)
            base = words(pick, pick.randint(1, 4))
            if pick.random() < 0.1:
                base += "\n" + words(pick, 2)
            text = "" if kind is HunkKind.DELETE else pick.choice(TEXTS)
            if pick.random() < 0.3 and kind is HunkKind.REPLACE:
                text = base.replace(base.split()[0], "changed", 1)
            self.parts += [Change(base, kind, pick.choice(("before", "after")), text), self._gap()]

    def _gap(self) -> str:
        joint = self.pick.choice((" ", " ", ".\n", "\n"))
        return f"{joint}{words(self.pick, self.pick.randint(2, 8))}{self.pick.choice((' ', '. '))}"

    @property
    def changes(self) -> list[Change]:
        """The hunks."""
        return [part for part in self.parts if isinstance(part, Change)]

    def read(self, *, applied: bool) -> str:
        """Return the whole text."""
        return "".join(
            part if isinstance(part, str) else part.read(applied=applied) for part in self.parts
        ).strip()

    def write(self) -> None:
        """Let somebody change a word of what no hunk stands on."""
        at = self.pick.randrange(0, len(self.parts), 2)
        gap = self.parts[at]
        assert isinstance(gap, str)
        place = self.pick.randint(2, len(gap) - 2)
        came = self.pick.choice(self.came)
        gone = self.pick.choice((0, 0, 1))
        if "\n" in gap[place : place + gone] or ord(gap[place]) > 0xFFFF:
            gone = 0
        self.parts[at] = gap[:place] + came + gap[min(place + gone, len(gap) - 2) :]

    def starts(self) -> list[int]:
        """Return where the hunks begin, in code units."""
        found: list[int] = []
        at = len(str(self.parts[0]).lstrip()) - len(str(self.parts[0]))
        for part in self.parts:
            text = part.base if isinstance(part, Change) else part
            if isinstance(part, Change):
                found.append(at)
            at += len(units(text))
        return found


def begun(seed: str, editor: SceneEditor, *, splits: bool) -> tuple[Scene, Model] | None:
    """Return a scene with a patch, and its model; none where the editor shows another text."""
    pick = Random(seed)
    model, scene = Model(pick, splits=splits), Scene(editor)
    scene.write(model.read(applied=False))
    if whole(scene.view().text) != model.read(applied=False):
        return None
    for number, (change, start) in enumerate(
        zip(model.changes, model.starts(), strict=True), start=1
    ):
        stood = scene.stood(start, start + len(units(change.base)))
        assert stood is not None
        assert whole(stood.quote) == change.base
        scene.hunks.append(
            HunkRow(
                number,
                change.kind,
                change.side,
                change.base,
                change.text,
                held(stood, scene.seq),
            )
        )
    return scene, model


def lived(seed: str, editor: SceneEditor, *, splits: bool) -> int:
    """Apply, revert, reapply and revert while others write; returns how many clashed.

    At each step the text is that of the model, or the patch did not land and the text is as before.
    """
    made = begun(seed, editor, splits=splits)
    if made is None:
        return 0
    scene, model = made
    clashed = 0
    applied = False
    for _ in range(5):
        for _ in range(model.pick.choice((0, 0, 1, 2))):
            model.write()
            scene.write(others(scene, model, applied=applied))
        before = whole(scene.view().text)
        assert before == model.read(applied=applied), seed
        found = scene.revert() if applied else scene.apply()
        if found.plan is None:
            assert found.clashes, seed
            assert whole(scene.view().text) == before
            clashed += 1
            break
        applied = not applied
        assert whole(scene.view().text) == model.read(applied=applied), seed
    return clashed


def others(_: Scene, model: Model, *, applied: bool) -> str:
    """Return the text with what others wrote."""
    return model.read(applied=applied)


@pytest.mark.parametrize("cases", [30, pytest.param(1_250, marks=pytest.mark.long)])
@pytest.mark.parametrize("editor", BuiltIn)
def test_a_patch_comes_and_goes(editor: BuiltIn, cases: int) -> None:
    """Eight editors, 240 cases, or 10,000 in the long form; each is decided about five times."""
    named = SceneEditor(name=editor)
    assert sum(lived(f"{editor} {seed}", named, splits=False) for seed in range(cases)) == 0


@pytest.mark.parametrize("cases", [10, pytest.param(250, marks=pytest.mark.long)])
@pytest.mark.parametrize("editor", BuiltIn)
def test_where_blocks_are_split_it_lands_where_it_belongs_or_clashes(
    editor: BuiltIn, cases: int
) -> None:
    named = SceneEditor(name=editor)
    clashed = sum(lived(f"{editor} {seed}", named, splits=True) for seed in range(cases))
    assert clashed <= cases / 3
